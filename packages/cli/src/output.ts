import { UsmpError } from '@usmp/core'
import { type ExitCode, exitCodeOf, OutputFailed, Unanswered } from './exit-code.js'

const NEWLINE = Buffer.from('\n')
const TAB = 0x09

/** What can be said as JSON. */
export type Fields = Readonly<Record<string, unknown>>

/**
 * The two outputs of a command: results on stdout, and on stderr what happens besides. With `--json` both are one JSON
 * object a line, each with its `event`.
 */
export class Output {
  readonly json: boolean
  readonly #broken = new AbortController()
  #drained: Promise<void> | undefined

  constructor(json: boolean) {
    this.json = json
    process.stdout.on('error', (error) => this.#broken.abort(error))
    // Whoever has closed stderr does not want to hear of it.
    process.stderr.on('error', () => {})
  }

  /** Aborts when nobody reads stdout any more (EPIPE), or when writing fails; the reason is the system's error. */
  get broken(): AbortSignal {
    return this.#broken.signal
  }

  /**
   * A message as a line, with `prefix` in front. Where a prefix tells the devices apart, or a terminal would obey them,
   * control characters are shown as `\x0a`, so that no device can speak as another one. Waits while stdout is full.
   */
  message(data: Uint8Array, prefix: string, fields: Fields): Promise<void> {
    if (this.json) return this.result('', { event: 'message', ...fields, ...readable(data) })
    const line = prefix !== '' || process.stdout.isTTY ? harmless(data) : data
    return this.write(Buffer.concat([Buffer.from(prefix), line, NEWLINE]))
  }

  /** A line of result for people, or the same as an object. Waits while stdout is full. */
  result(text: string, fields: Fields): Promise<void> {
    return this.write(this.json ? `${JSON.stringify(fields)}\n` : `${text}\n`)
  }

  /** Bytes for stdout as they are. Waits while stdout is full. */
  async write(data: Uint8Array | string): Promise<void> {
    if (this.#broken.signal.aborted || process.stdout.write(data)) return
    this.#drained ??= new Promise<void>((resolve) => {
      const done = () => {
        this.#drained = undefined
        resolve()
      }
      process.stdout.once('drain', done)
      this.#broken.signal.addEventListener('abort', done, { once: true })
    })
    await this.#drained
  }

  /** What is going on. */
  status(text: string, fields: Fields): void {
    process.stderr.write(this.json ? `${JSON.stringify(fields)}\n` : `${text}\n`)
  }

  /** Something that the caller should change. */
  warning(text: string): void {
    this.status(`warning: ${text}`, { event: 'warning', message: text })
  }

  /** What went wrong, why probably, and what to do. Returns the exit code for it. */
  error(error: unknown): ExitCode {
    const { code, message, hint } = explainError(error)
    const advice = hint ? `\n  ${hint}` : ''
    const exitCode = exitCodeOf(error)
    this.status(`error: ${message} [${code}]${advice}`, { event: 'error', code, message, hint, exit_code: exitCode })
    return exitCode
  }

  /** Resolves when all that was written has left. */
  async flush(): Promise<void> {
    for (const stream of [process.stdout, process.stderr]) {
      await new Promise<void>((resolve) => {
        if (stream.destroyed || stream.errored) resolve()
        else stream.write('', () => resolve())
      })
    }
  }
}

/** The bytes with their control characters, except tabs, as `\x1b`; those of two bytes (U+0080 to U+009F) too. */
export function harmless(data: Uint8Array): Uint8Array {
  const shown: Uint8Array[] = []
  let start = 0
  data.forEach((byte, at) => {
    const inPair = byte >= 0x80 && byte <= 0x9f && data[at - 1] === 0xc2
    if ((byte >= 0x20 && byte !== 0x7f && !inPair) || byte === TAB) return
    shown.push(data.subarray(start, inPair ? at - 1 : at))
    shown.push(Buffer.from(`\\x${byte.toString(16).padStart(2, '0')}`))
    start = at + 1
  })
  return Buffer.concat([...shown, data.subarray(start)])
}

/** `text` where the bytes are UTF-8, else `hex`. */
export function readable(data: Uint8Array): { text: string } | { hex: string } {
  try {
    return { text: new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(data) }
  } catch {
    return { hex: Buffer.from(data).toString('hex') }
  }
}

function explainError(error: unknown): { code: string; message: string; hint: string | undefined } {
  if (error instanceof UsmpError || error instanceof Unanswered || error instanceof OutputFailed) return error
  const message = error instanceof Error ? error.message : String(error)
  return { code: 'INTERNAL', message, hint: 'This is a fault of the program or of its surroundings; please report it.' }
}
