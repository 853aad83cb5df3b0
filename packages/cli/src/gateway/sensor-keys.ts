import { deriveDevicePsk, formatDeviceId, parseDeviceId, UsmpError } from '@usmp/core'
import type { FleetSensor } from '@usmp/gateway/simulator'
import { readPskFile, readPskTable } from '@usmp/node'

/** The first id where none is given: "sim", in the range that nobody is assigned. */
const FIRST_ID = '02:73:69:6d:00:01'

export interface SensorKeyOptions {
  readonly count?: number
  /** Of the first sensor; the others count up from there. */
  readonly id?: string
  readonly pskFile?: string
  readonly masterFile?: string
  readonly pskTable?: string
}

/**
 * The simulated sensors, each with its key.
 * @throws UsmpError INVALID_ARGUMENT, WEAK_PSK
 */
export async function sensorsWithKeys(options: SensorKeyOptions): Promise<FleetSensor[]> {
  const { count = 1, id = FIRST_ID, pskFile, masterFile, pskTable } = options
  if (pskTable !== undefined) return fromTable(pskTable, options)
  if (masterFile !== undefined) {
    const master = await readPskFile(masterFile)
    return idsFrom(id, count).map((deviceId) => ({ deviceId, psk: deriveDevicePsk(master, deviceId) }))
  }
  if (pskFile === undefined) {
    throw new UsmpError('INVALID_ARGUMENT', 'there is no key for the sensors', {
      hint: `Make one and give it: \`usmp keygen psk --device ${id} --out sensor.key\`, then --psk-file sensor.key. For many: --master-file or --psk-table.`,
    })
  }
  if (count > 1) {
    throw new UsmpError('INVALID_ARGUMENT', `one key for ${count} sensors`, {
      hint: 'Each needs its own: --master-file derives them from one key, --psk-table lists them.',
    })
  }
  return [{ deviceId: id, psk: await readPskFile(pskFile) }]
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
