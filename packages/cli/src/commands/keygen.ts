import { deriveDevicePsk, parseDeviceId, toHex, UsmpError } from '@usmp/core'
import { nodeRandom } from '@usmp/node'
import { readPskFile, writeSecret } from '../key-files.js'
import type { Output } from '../output.js'

const KEY_SIZE = 32

export interface KeygenOptions {
  readonly out?: string
  readonly device?: string
  readonly masterFile?: string
  readonly hex?: boolean
}

/** Makes a pre-shared key: random, or that of one device of a fleet. */
export async function keygenCommand({ out, device, masterFile, hex }: KeygenOptions, output: Output): Promise<number> {
  if ((device === undefined) !== (masterFile === undefined)) {
    throw new UsmpError('INVALID_ARGUMENT', '--device and --master-file belong together', {
      hint: 'With both, the key of that device is derived from the master key; with neither, a random key is made.',
    })
  }
  if (out === undefined && process.stdout.isTTY) {
    throw new UsmpError('INVALID_ARGUMENT', 'it is not said where the key shall go', {
      hint: 'Write it into a file with --out FILE. If you do want to see it, say --out -',
    })
  }
  const psk = device === undefined ? nodeRandom(KEY_SIZE) : await deviceKey(device, masterFile!, output)
  if (out === undefined || out === '-') {
    // Raw bytes would only garble a terminal.
    await output.write(hex || process.stdout.isTTY ? `${toHex(psk)}\n` : psk)
    return 0
  }
  await writeSecret(out, hex ? `${toHex(psk)}\n` : psk)
  const form = hex ? 'in hex' : 'as raw bytes'
  const owner = device === undefined ? '' : ` of ${device}`
  output.status(`wrote the key${owner} (${KEY_SIZE} bytes, ${form}) into ${out}; only you can read it`, {
    event: 'key',
    file: out,
    ...(device === undefined ? {} : { device_id: device }),
  })
  return 0
}

async function deviceKey(device: string, masterFile: string, output: Output): Promise<Uint8Array> {
  return deriveDevicePsk(await readPskFile(masterFile, output), parseDeviceId(device))
}
