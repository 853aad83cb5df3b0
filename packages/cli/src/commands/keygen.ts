import { deriveDevicePsk, parseDeviceId, pskFingerprint, toHex, UsmpError } from '@usmp/core'
import { nodeRandom, readPskFile } from '@usmp/node'
import { writeSecretFile } from '@usmp/node/key-files'
import { ExitCode } from '../exit-code.js'
import type { Output } from '../output.js'
import { qrOnTerminal } from '../qr.js'

const KEY_SIZE = 32

export interface KeygenOptions {
  readonly out?: string
  readonly device?: string
  readonly masterFile?: string
  readonly qr?: boolean
}

/** Makes a pre-shared key, in hex digits: random, or that of one device of a fleet. */
export async function keygenCommand(options: KeygenOptions, output: Output): Promise<number> {
  check(options)
  const { out, device, masterFile } = options
  const psk = masterFile === undefined ? nodeRandom(KEY_SIZE) : await deviceKey(device!, masterFile)
  const text = `${toHex(psk)}\n`
  if (out === undefined || out === '-') await output.write(text)
  else await writeSecretFile(out, text)
  tell(options, psk, output)
  if (options.qr) await output.write(qrOnTerminal(`usmp:${device}:${Buffer.from(psk).toString('base64url')}`))
  return ExitCode.OK
}

/** @throws UsmpError INVALID_ARGUMENT */
function check({ out, device, masterFile, qr }: KeygenOptions): void {
  if (masterFile !== undefined && device === undefined) {
    throw new UsmpError('INVALID_ARGUMENT', '--master-file needs --device', {
      hint: 'The key of that device is derived from the master key. Without both, a random key is made.',
    })
  }
  if (out === undefined && process.stdout.isTTY) {
    throw new UsmpError('INVALID_ARGUMENT', 'no output file given', {
      hint: 'A key is not shown by itself. Write it into a file with --out FILE; `--out -` shows it.',
    })
  }
  if (qr && (device === undefined || !process.stdout.isTTY)) {
    throw new UsmpError('INVALID_ARGUMENT', '--qr needs --device, and a terminal that shows the code', {
      hint: 'The code holds the device id and the key, so it is shown to you and written nowhere else.',
    })
  }
}

function tell({ out, device }: KeygenOptions, psk: Uint8Array, output: Output): void {
  const file = out === '-' ? undefined : out
  if (file === undefined && device === undefined) return
  const fingerprint = device === undefined ? undefined : pskFingerprint(psk, device)
  const owner = device === undefined ? '' : ` of ${device}`
  const wrote = `wrote the key${owner} (${KEY_SIZE} bytes as hex digits) into ${file}; only you can read it`
  const shown = `fingerprint of the key of ${device}: ${fingerprint}`
  output.status(
    file === undefined ? shown : wrote,
    {
      event: 'key',
      ...(file === undefined ? {} : { file }),
      ...(device === undefined ? {} : { device_id: device, fingerprint }),
    },
    file === undefined || device === undefined ? '' : shown,
  )
}

async function deviceKey(device: string, masterFile: string): Promise<Uint8Array> {
  return deriveDevicePsk(await readPskFile(masterFile), parseDeviceId(device))
}
