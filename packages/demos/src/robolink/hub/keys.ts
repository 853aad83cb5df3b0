import { randomBytes } from 'node:crypto'
import { existsSync } from 'node:fs'
import { mkdir } from 'node:fs/promises'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { assertPsk, fromHex, UsmpError } from '@usmp/core'
import * as v from 'valibot'
import { looksLike } from '../../shared/plain-text.js'
import { readJson, writeSecret } from '../command.js'
import { deviceId } from '../contract.js'

/** Somebody whom the hub knows. */
export interface Known {
  readonly id: string
  readonly name: string
  readonly psk: Uint8Array
}

/** Everybody whom the hub knows, by device id. */
export interface Keys {
  readonly robots: ReadonlyMap<string, Known>
  readonly operators: ReadonlyMap<string, Known>
}

/** Those whom a new key file has: a name for files, an id. */
const FIRST_ROBOTS = { 'robot-1': '02:00:00:00:00:01' }
const FIRST_OPERATORS = {
  page: '02:00:00:00:01:01',
  terminal: '02:00:00:00:01:02',
  autopilot: '02:00:00:00:01:03',
}

/** Everything a robot or an operator may be, so that a table of them stays small. */
const MAX_ENTRIES = 1_000

const hexKey = v.pipe(v.string(), v.regex(/^([0-9a-f]{2})+$/i, 'must be hex digits'))
const entry = v.object({ name: v.pipe(v.string(), v.regex(/^[\w .-]{1,64}$/)), psk: hexKey })
const table = v.pipe(v.record(deviceId, entry), v.maxEntries(MAX_ENTRIES))
const keyFile = v.object({ robots: table, operators: table })

/** Where the hub keeps keys and certificate unless it is told otherwise. */
export function defaultStateFolder(): string {
  const { XDG_STATE_HOME, LOCALAPPDATA } = process.env
  const base = XDG_STATE_HOME || LOCALAPPDATA || join(homedir(), '.local/state')
  return join(base, 'usmp-robolink')
}

/** The file that holds the key of one robot or operator of {@link makeKeys}, for its program. */
export function pskFile(folder: string, name: string): string {
  return join(folder, `${name}.psk`)
}

/**
 * The key file of a state folder. At the first start it is made: one robot and three operators, each with a key of its own,
 * and beside it one file `NAME.psk` for each of them.
 * @throws UsmpError INVALID_ARGUMENT, WEAK_PSK
 */
export async function loadKeys(folder: string): Promise<Keys> {
  const path = join(folder, 'keys.json')
  if (!existsSync(path)) await makeKeys(folder, path)
  const content = v.safeParse(keyFile, await readJson(path))
  if (!content.success) {
    // Not the value: it may be a key.
    const where = v.getDotPath(content.issues[0]) ?? ''
    throw new UsmpError('INVALID_ARGUMENT', `${path}: the entry ${where} is not as it must be`, {
      hint: 'It is {"robots": {"aa:bb:cc:dd:ee:ff": {"name": "…", "psk": "<64 hex digits>"}}, "operators": {…}}.',
    })
  }
  const robots = parseTable(content.output.robots)
  const operators = parseTable(content.output.operators)
  for (const id of robots.keys()) {
    if (operators.has(id)) throw new UsmpError('INVALID_ARGUMENT', `${path}: ${id} is a robot and an operator`)
  }
  assertNamesDiffer(path, [...robots.values(), ...operators.values()])
  return { robots, operators }
}

/** In a chat, and where it is said who drives, people go by names. */
function assertNamesDiffer(path: string, everybody: readonly Known[]): void {
  for (const [at, { id, name }] of everybody.entries()) {
    const other = everybody.slice(0, at).find((earlier) => looksLike(earlier.name, name))
    if (!other) continue
    throw new UsmpError('INVALID_ARGUMENT', `${path}: ${other.id} and ${id} have the same name, ${name}`, {
      hint: 'Give every robot and every operator a name of its own.',
    })
  }
}

function parseTable(entries: v.InferOutput<typeof table>): Map<string, Known> {
  return new Map(
    Object.entries(entries).map(([id, { name, psk: hex }]) => {
      const psk = fromHex(hex)
      assertPsk(psk)
      return [id, { id, name, psk }]
    }),
  )
}

async function makeKeys(folder: string, path: string): Promise<void> {
  await mkdir(folder, { recursive: true, mode: 0o700 })
  const make = async (names: Readonly<Record<string, string>>) => {
    const made: [string, { name: string; psk: string }][] = []
    for (const [name, id] of Object.entries(names)) {
      const psk = randomBytes(32).toString('hex')
      await writeSecret(pskFile(folder, name), `${psk}\n`)
      made.push([id, { name, psk }])
    }
    return Object.fromEntries(made)
  }
  const content = { robots: await make(FIRST_ROBOTS), operators: await make(FIRST_OPERATORS) }
  // Last: a folder whose making was interrupted has none, and says which file is in the way.
  await writeSecret(path, `${JSON.stringify(content, undefined, 2)}\n`)
}

/** Device ids of the programs that `npm start` brings up. */
export const firstIds = { ...FIRST_ROBOTS, ...FIRST_OPERATORS }
