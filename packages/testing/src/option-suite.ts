import { UsmpError } from '@usmp/core'
import type { OptionRule, OptionTable } from '@usmp/core/options'
import { describe, expect, test } from 'vitest'

/** A public function that takes an object of options. */
export interface OptionEntry {
  readonly name: string
  readonly table: OptionTable
  /** Options that are all right. */
  readonly good: Readonly<Record<string, unknown>>
  call(options: never): unknown
}

/** Of every kind something; for each option some of it is wrong. */
const ANYTHING: readonly unknown[] = [
  '60000',
  '',
  -1,
  0.5,
  Number.NaN,
  Number.POSITIVE_INFINITY,
  2 ** 31,
  null,
  true,
  [],
  {},
  7n,
]

/** What an action fails with, as text. */
export async function faultOf(action: () => unknown): Promise<string> {
  try {
    await action()
  } catch (error) {
    if (error instanceof UsmpError) return `${error.code}: ${error.message}`
    return `a raw ${error}`
  }
  return 'no error'
}

interface Row {
  readonly path: string
  readonly name: string
  readonly rule: OptionRule
  /** Good options, changed where this row stands. */
  change(values: Readonly<Record<string, unknown>>): object
}

/** Rows of a table, and those of the options inside its options. */
function rowsOf(table: OptionTable, good: Readonly<Record<string, unknown>>): Row[] {
  return Object.entries(table).flatMap(([name, rule]) => {
    const row: Row = { path: name, name, rule, change: (values) => ({ ...good, ...values }) }
    if (!rule.inside) return [row]
    const inner = (good[name] ?? {}) as Readonly<Record<string, unknown>>
    const deeper = rowsOf(rule.inside(inner), inner).map((below) => ({
      ...below,
      path: `${name}.${below.path}`,
      change: (values: Readonly<Record<string, unknown>>) => ({ ...good, [name]: below.change(values) }),
    }))
    return [row, ...deeper]
  })
}

/** Every entry refuses what cannot be an option, before it does anything, and says which one and why. */
export function describeOptions(entries: readonly OptionEntry[]): void {
  describe.each(entries)('$name', ({ name, table, good, call }) => {
    const attempt = (options: unknown) => faultOf(() => call(options as never))

    test.each(rowsOf(table, good))('$path: a wrong value is refused and named', async (row) => {
      const wrong = ANYTHING.filter((value) => !row.rule.fits(value))
      expect(wrong).not.toEqual([])
      for (const value of wrong) {
        const fault = await attempt(row.change({ [row.name]: value }))
        expect(fault).toMatch(/^INVALID_ARGUMENT: /)
        expect(fault).toContain(` ${row.path} must be `)
      }
    })

    test.each(rowsOf(table, good))('$path: a mistyped name is refused, and the right one proposed', async (row) => {
      const fault = await attempt(row.change({ [`${row.name}s`]: undefined }))
      expect(fault).toMatch(/^INVALID_ARGUMENT: /)
      expect(fault).toContain(`has no option ${row.path}s; did you mean ${row.path}?`)
    })

    test('what is no object of options is refused', async () => {
      for (const options of [null, 'options', 5, [], new Uint8Array(1)]) {
        expect(await attempt(options)).toMatch(/^INVALID_ARGUMENT: .*must be an object/)
      }
    })

    test('what is missing is named', async () => {
      for (const [option, { required }] of Object.entries(table)) {
        if (!required) continue
        const { [option]: _, ...rest } = good
        expect(await attempt(rest)).toContain(
          `INVALID_ARGUMENT: an argument is not usable: ${name} needs the option ${option}`,
        )
      }
    })

    // Where nothing is required, no options are good options.
    if (Object.values(table).some(({ required }) => required)) {
      test('without options: says what is needed', async () => {
        expect(await attempt(undefined)).toContain(`${name} needs the option `)
      })
    }
  })
}
