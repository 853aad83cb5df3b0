import { access } from 'node:fs/promises'
import { deriveDevicePsk, formatDeviceId, parseDeviceId, toHex, UsmpError } from '@usmp/core'
import type { FleetSensor } from '@usmp/gateway/simulator'
import { nodeRandom, readPskFile, readPskTable } from '@usmp/node'
import { writeSecretFile } from '@usmp/node/key-files'

/** The first id where none is given: "sim", in the range that nobody is assigned. */
const FIRST_ID = '02:73:69:6d:00:01'

const KEY_SIZE = 32
/** In the folder where the command runs, unless there are keys already. */
export const OWN_FILE = 'simulated-sensors.json'

export interface SensorKeyOptions {
  readonly count?: number
  /** Of the first sensor; the others count up from there. */
  readonly id?: string
  readonly pskFile?: string
  readonly masterFile?: string
  readonly pskTable?: string
}

/**
 * The simulated sensors, each with its key; without any key option the keys are made, and kept in {@link OWN_FILE}.
 * @throws UsmpError INVALID_ARGUMENT, WEAK_PSK
 */
export async function sensorsWithKeys(options: SensorKeyOptions): Promise<FleetSensor[]> {
  const { count = 1, id = FIRST_ID, pskFile, masterFile, pskTable } = options
  if (pskTable !== undefined) return fromTable(pskTable, options)
  if (masterFile !== undefined) {
    const master = await readPskFile(masterFile)
    return idsFrom(id, count).map((deviceId) => ({ deviceId, psk: deriveDevicePsk(master, deviceId) }))
  }
  if (pskFile === undefined) return fromOwnFile(id, count)
  if (count > 1) {
    throw new UsmpError('INVALID_ARGUMENT', `one key for ${count} sensors`, {
      hint: 'Each needs its own: --master-file derives them from one key, --psk-table lists them.',
    })
  }
  return [{ deviceId: id, psk: await readPskFile(pskFile) }]
}

/** Keys of sensors for a first look, made once. */
async function fromOwnFile(id: string, count: number): Promise<FleetSensor[]> {
  const isThere = await access(OWN_FILE).then(
    () => true,
    () => false,
  )
  if (!isThere) {
    const table = idsFrom(id, count).map((deviceId) => [deviceId, toHex(nodeRandom(KEY_SIZE))])
    await writeSecretFile(OWN_FILE, `${JSON.stringify(Object.fromEntries(table), null, 2)}\n`)
  }
  return fromTable(OWN_FILE, { count })
}

async function fromTable(file: string, { count, id }: SensorKeyOptions): Promise<FleetSensor[]> {
  const table = await readPskTable(file)
  if (id !== undefined || table.has('*')) {
    throw new UsmpError('INVALID_ARGUMENT', '--psk-table names the ids of the sensors itself', {
      hint: 'Leave --id out, and give each sensor its own entry instead of "*".',
    })
  }
  if (count !== undefined && count > table.size) {
    throw new UsmpError('INVALID_ARGUMENT', `${file} has ${table.size} keys, and --count wants ${count} sensors`)
  }
  return [...table].slice(0, count).map(([deviceId, psk]) => ({ deviceId, psk }))
}

function idsFrom(first: string, count: number): string[] {
  const begin = parseDeviceId(first).reduce((number, byte) => number * 256 + byte, 0)
  if (begin + count > 256 ** 6) throw new UsmpError('INVALID_ARGUMENT', `there are not ${count} ids from ${first} on`)
  return Array.from({ length: count }, (_, n) =>
    formatDeviceId(Uint8Array.from({ length: 6 }, (_, i) => Math.floor((begin + n) / 256 ** (5 - i)) % 256)),
  )
}
