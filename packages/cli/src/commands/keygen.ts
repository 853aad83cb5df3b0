import { deriveDevicePsk, parseDeviceId, toHex, UsmpError } from '@usmp/core'
import { nodeRandom, readPskFile } from '@usmp/node'
import { writeSecretFile } from '@usmp/node/key-files'
import { ExitCode } from '../exit-code.js'
import type { Output } from '../output.js'

const KEY_SIZE = 32

export interface KeygenOptions {
  readonly out?: string
  readonly device?: string
  readonly masterFile?: string
}

/** Makes a pre-shared key, in hex digits: random, or that of one device of a fleet. */
export async function keygenCommand({ out, device, masterFile }: KeygenOptions, output: Output): Promise<number> {
  if ((device === undefined) !== (masterFile === undefined)) {
    throw new UsmpError('INVALID_ARGUMENT', '--device and --master-file belong together', {
      hint: 'With both, the key of that device is derived from the master key; with neither, a random key is made.',
    })
  }
  if (out === undefined && process.stdout.isTTY) {
    throw new UsmpError('INVALID_ARGUMENT', 'no output file given', {
      hint: 'A key is not shown by itself. Write it into a file with --out FILE; `--out -` shows it.',
    })
  }
  const psk = device === undefined ? nodeRandom(KEY_SIZE) : await deviceKey(device, masterFile!)
  const text = `${toHex(psk)}\n`
  if (out === undefined || out === '-') {
    await output.write(text)
    return ExitCode.OK
  }
  await writeSecretFile(out, text)
  const owner = device === undefined ? '' : ` of ${device}`
  output.status(`wrote the key${owner} (${KEY_SIZE} bytes as hex digits) into ${out}; only you can read it`, {
    event: 'key',
    file: out,
    ...(device === undefined ? {} : { device_id: device }),
  })
  return ExitCode.OK
}

async function deviceKey(device: string, masterFile: string): Promise<Uint8Array> {
  return deriveDevicePsk(await readPskFile(masterFile), parseDeviceId(device))
}
