import { formatDeviceId, parseDeviceId, UsmpError, wipe } from '@usmp/core'
import { CsvError, parse } from 'csv-parse/sync'
import * as v from 'valibot'
import type { Actor } from '../actor.js'
import type { Device } from '../contract/device.js'
import { name } from '../contract/text.js'
import { GatewayError } from '../errors.js'
import type { Body } from '../operations.js'
import { readKey, type StoredKey } from './keys.js'
import type { DeviceRecord } from './record.js'
import { type DeviceServices, newRecord } from './services.js'

const COLUMNS: readonly string[] = ['id', 'psk', 'name', 'group']
/** Devices in one file. */
const MAX_ROWS = 10_000

type Result = Body<'importResult'>
type Refused = Result['refused'][number]

/** A line of a file, by the names of its columns. */
interface Row {
  readonly line: number
  readonly cells: Readonly<Record<string, string>>
}

/** Takes in devices that have never knocked: one by one, or from a file. */
export class Registration {
  readonly #services: DeviceServices

  constructor(services: DeviceServices) {
    this.#services = services
  }

  /** @throws GatewayError FORBIDDEN, EXISTS, INVALID, WEAK_PSK, STORE_FAILED */
  register(actor: Actor, body: Body<'register'>): Promise<Device> {
    const { commands, directory, waiting, time, hint, describe } = this.#services
    const { id, psk, name = '', group = null } = body
    return commands.change(actor, { action: 'device.register', object: id, role: 'operator' }, async (event) => {
      this.#assertNew(id, directory.historyOwners)
      await directory.create(id, newRecord(id, time.now(), { name, group, ...this.#keyOf(id, psk) }), event)
      waiting.remove(id)
      hint(id)
      return describe(id)
    })
  }

  /**
   * Registers the devices of a file. Lines with a fault are told and left out, the others are written in one transaction.
   * @throws GatewayError FORBIDDEN, INVALID if it is no such file at all, CONFLICT, STORE_FAILED
   */
  importDevices(actor: Actor, { csv }: Body<'importDevices'>): Promise<Result> {
    const { commands, directory, waiting, hint } = this.#services
    return commands.change(actor, { action: 'device.import', object: '', role: 'operator' }, async (event) => {
      const records = new Map<string, DeviceRecord>()
      const refused: Refused[] = []
      const owners = directory.historyOwners
      for (const row of readCsv(csv)) {
        const fault = this.#readRow(row, records, owners)
        if (fault) refused.push(fault)
      }
      if (records.size > 0) {
        const detail = `${records.size} registered, ${refused.length} refused`
        await directory.createAll(records, { ...event, detail })
      }
      for (const id of records.keys()) {
        waiting.remove(id)
        hint(id)
      }
      return { registered: records.size, refused }
    })
  }

  /** Adds a line to `records`; or says why it is not taken. */
  #readRow(
    { line, cells }: Row,
    records: Map<string, DeviceRecord>,
    owners: ReadonlyMap<string, string>,
  ): Refused | undefined {
    let id: string | null = null
    try {
      id = readId(cells.id ?? '')
      if (records.has(id)) throw new GatewayError('EXISTS', 'The id stands in the file twice.')
      this.#assertNew(id, owners)
      const key = this.#keyOf(id, cells.psk ?? '')
      const fields = { name: readName(cells.name) ?? '', group: readName(cells.group) ?? null, ...key }
      records.set(id, newRecord(id, this.#services.time.now(), fields))
      return undefined
    } catch (error) {
      if (!(error instanceof GatewayError)) throw error
      return { line, id, code: error.code, message: error.message }
    }
  }

  /** @throws GatewayError EXISTS */
  #assertNew(id: string, owners: ReadonlyMap<string, string>): void {
    const { directory } = this.#services
    const state = directory.find(id)?.record?.state
    if (state === undefined) return directory.assertHistoryIsFree(id, owners)
    const hint = state === 'approved' ? 'Look for it in the list.' : 'Remove it first, then register it again.'
    throw new GatewayError('EXISTS', `There is a device with this id already; it is ${state}.`, { hint })
  }

  #keyOf(id: string, text: string): StoredKey {
    const key = readKey(text)
    try {
      return this.#services.keys.store(id, key, 'registered')
    } finally {
      wipe(key)
    }
  }
}

/** @throws GatewayError INVALID */
function readCsv(csv: string): Row[] {
  let rows: string[][]
  const lines: number[] = []
  try {
    rows = parse(csv, {
      bom: true,
      trim: true,
      skip_empty_lines: true,
      relax_column_count: true,
      to: MAX_ROWS + 2,
      on_record: (record: string[], { lines: line }) => {
        lines.push(line)
        return record
      },
    })
  } catch (error) {
    if (!(error instanceof CsvError)) throw error
    throw new GatewayError('INVALID', 'The file is no CSV.', {
      hint: 'Write the columns id,psk,name,group with commas between, and quotes around text that has a comma in it.',
      cause: error,
    })
  }
  const header = (rows[0] ?? []).map((cell) => cell.toLowerCase())
  const unknown = header.find((cell) => !COLUMNS.includes(cell))
  if (
    unknown !== undefined ||
    !header.includes('id') ||
    !header.includes('psk') ||
    new Set(header).size < header.length
  ) {
    throw new GatewayError('INVALID', 'The first line must name the columns: id,psk and, if wanted, name,group.')
  }
  if (rows.length > MAX_ROWS + 1) throw new GatewayError('INVALID', `The file has more than ${MAX_ROWS} devices.`)
  return rows.slice(1).map((row, i) => ({
    line: lines[i + 1]!,
    cells: Object.fromEntries(header.map((column, at) => [column, row[at] ?? ''])),
  }))
}

/** An id as people write it, with colons, dashes or none. */
function readId(text: string): string {
  try {
    return formatDeviceId(parseDeviceId(text))
  } catch (error) {
    if (!(error instanceof UsmpError)) throw error
    throw new GatewayError('INVALID', 'The id must look like aa:bb:cc:dd:ee:ff.')
  }
}

/** A name or group; undefined if the cell is empty. */
function readName(text: string | undefined): string | undefined {
  if (!text) return undefined
  const { success, output } = v.safeParse(name, text)
  if (!success) throw new GatewayError('INVALID', 'A name or group has at most 64 characters.')
  return output
}
