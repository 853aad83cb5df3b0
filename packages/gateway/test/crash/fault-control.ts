import { existsSync, openSync, readFileSync, writeFileSync, writeSync } from 'node:fs'

const MODES = ['off', 'kill', 'fail', 'torn'] as const

/** The file by which a program with `faults.c` in it is told what has to fail. */
export class FaultControl {
  readonly path: string
  readonly #fd: number

  constructor(path: string) {
    this.path = path
    if (!existsSync(path)) writeFileSync(path, new Uint8Array(16))
    this.#fd = openSync(path, 'r+')
  }

  /** The `span` calls from number `first` on, counted from now. */
  set(mode: (typeof MODES)[number], first = 1, span = 1): void {
    writeSync(this.#fd, new Uint8Array(Uint32Array.of(MODES.indexOf(mode), first, span, 0).buffer), 0, 16, 0)
  }

  /** Calls so far. */
  get count(): number {
    return readFileSync(this.path).readUInt32LE(12)
  }
}
