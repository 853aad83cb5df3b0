import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { buildC, cFolder } from './c-build.js'

/** Builds of the C sensor: the first is 1.0.0, `mislabelled` says 1.0.9, the others 1.1.0; three of them are broken. */
export type SensorImage = 'old' | 'new' | 'hangs' | 'crashes' | 'mute' | 'mislabelled'

/** Compiles the boot loader and all images; costs little when they are there. Needs libsodium. */
export function buildCSensorImages(): void {
  buildC('usmp-loader', 'sensor-images')
}

export function readSensorImage(name: SensorImage): Uint8Array {
  return readFileSync(imagePath(name))
}

/** An Ed25519 key as RFC 8410 has it, and as `usmp ota keygen` writes it. */
function toPem(publicKey: Uint8Array): string {
  const spki = Buffer.concat([Buffer.from('302a300506032b6570032100', 'hex'), publicKey])
  return `-----BEGIN PUBLIC KEY-----\n${spki.toString('base64')}\n-----END PUBLIC KEY-----\n`
}

function imagePath(name: SensorImage): string {
  return join(cFolder, 'sensor-images', name)
}

/** The flash of a C sensor as a folder, with an image that came by cable. Call {@link CSlots.remove} in every case. */
export class CSlots {
  readonly #folder = mkdtempSync(join(tmpdir(), 'usmp-slots-'))

  constructor(image: SensorImage) {
    execFileSync(join(cFolder, 'usmp-loader'), ['--slots', this.#flash, '--install', imagePath(image)])
  }

  get #flash(): string {
    return join(this.#folder, 'flash')
  }

  /** What starts the sensor from its slots, for `CSensor`: seconds until the watchdog resets it. */
  launcher(watchdog: number): readonly string[] {
    return [join(cFolder, 'usmp-loader'), '--slots', this.#flash, '--watchdog', String(watchdog), '--']
  }

  /** Options of the sensor: whose updates it takes. */
  options(publicKey: Uint8Array, confirmWithin: number): readonly string[] {
    const key = join(this.#folder, 'publisher.pub')
    writeFileSync(key, toPem(publicKey))
    return ['--slots', this.#flash, '--publisher-key', key, '--confirm-within', String(confirmWithin)]
  }

  /** The bytes of a slot, or of what the boot loader decides by. */
  read(area: 'slot0' | 'slot1' | 'state'): Uint8Array {
    return readFileSync(join(this.#flash, `${area}.bin`))
  }

  remove(): void {
    rmSync(this.#folder, { recursive: true, force: true })
  }
}
