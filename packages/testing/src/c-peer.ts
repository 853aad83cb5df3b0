import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { toHex } from '@usmp/core'
import { buildC, cFolder } from './c-build.js'

const WAIT = 20_000

/** The C core's host program, with either of its crypto libraries. */
export const cPrograms = { psa: 'usmp-peer', bearssl: 'usmp-peer-bearssl' } as const

/** Firmware as the published examples have it: its own hooks, and a main loop that polls (firmware-c/tests/peer). */
export const publishedLoop = join(cFolder, 'published-loop')

/** Compiles the host programs; costs little when they are there. */
export function buildCPeers(): void {
  buildC(...Object.values(cPrograms), 'published-loop')
}

/**
 * The C host program at work (firmware-c/README.md has its options). Build it once by {@link buildCPeers}, then start any number.
 * It owns the process and a folder with the key; call {@link CPeer.stop} in every case, which removes both. The key goes by file:
 * it must never be an argument, as other users of the machine see those.
 */
export class CPeer {
  /** What it said on the standard error. */
  log = ''
  readonly #child: ChildProcess
  readonly #secrets: string
  readonly #lines: string[] = []
  #wake: (() => void) | undefined

  constructor(backend: keyof typeof cPrograms, psk: Uint8Array, args: readonly string[]) {
    this.#secrets = mkdtempSync(join(tmpdir(), 'usmp-c-'))
    const pskFile = join(this.#secrets, 'psk')
    writeFileSync(pskFile, toHex(psk), { mode: 0o600 })
    this.#child = spawn(join(cFolder, cPrograms[backend]), ['--psk-hex-file', pskFile, ...args])
    createInterface({ input: this.#child.stdout! }).on('line', (line) => {
      this.#lines.push(line)
      this.#wake?.()
    })
    this.#child.stderr!.on('data', (chunk) => (this.log += chunk))
    this.#child.on('close', () => this.#wake?.())
  }

  /** What follows `word` on the next line of output that begins with it. */
  async says(word: string): Promise<string> {
    const deadline = Date.now() + WAIT
    for (;;) {
      const index = this.#lines.findIndex((line) => line === word || line.startsWith(`${word} `))
      if (index >= 0) return this.#lines.splice(index, 1)[0]!.slice(word.length + 1)
      if (this.#child.exitCode !== null || Date.now() > deadline) {
        throw new Error(`the C program never said "${word}"; it said ${JSON.stringify(this.#lines)}\n${this.log}`)
      }
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, WAIT)
        this.#wake = () => {
          clearTimeout(timer)
          resolve()
        }
      })
    }
  }

  write(line: string): void {
    this.#child.stdin!.write(`${line}\n`)
  }

  /** SIGSTOP holds the program up, SIGCONT lets it go on, SIGKILL lets it vanish. */
  signal(signal: 'SIGSTOP' | 'SIGCONT' | 'SIGKILL'): void {
    this.#child.kill(signal)
  }

  /** Waits for the program to end by itself. */
  async exitCode(): Promise<number | null> {
    if (this.#child.exitCode === null && this.#child.signalCode === null) await once(this.#child, 'close')
    return this.#child.exitCode
  }

  async stop(): Promise<void> {
    if (this.#child.exitCode === null && this.#child.signalCode === null) {
      const closed = once(this.#child, 'close')
      this.#child.kill()
      // One that is stopped ends when it goes on.
      this.#child.kill('SIGCONT')
      await closed
    }
    rmSync(this.#secrets, { recursive: true, force: true })
  }
}
