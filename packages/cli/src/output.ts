import { UsmpError } from '@usmp/core'
import {
  type ExitCode,
  exitCodeOf,
  isGatewayError,
  isOtaError,
  isRelayError,
  OutputFailed,
  Unanswered,
  WrongPassphrase,
} from './exit-code.js'
import { printable, printableBytes, printableJson, textOf } from './printable.js'

const NEWLINE = Buffer.from('\n')

/** What can be said as JSON. */
export type Fields = Readonly<Record<string, unknown>>

/**
 * The two outputs of a command: results on stdout, and on stderr what happens besides. With `--json` both are one JSON
 * object a line, each with its `event`. Nothing that a device or a server wrote can command the terminal: control and
 * direction characters are shown as `\x1b`, and JSON writes them as `\u001b`. Only messages that go into a file or a pipe
 * stay as they are.
 */
export class Output {
  readonly json: boolean
  readonly #broken = new AbortController()
  #drained: Promise<void> | undefined

  constructor(json: boolean) {
    this.json = json
    process.stdout.on('error', (error) => this.#broken.abort(error))
    // A closed stderr is no fault: its reader does not want the messages.
    process.stderr.on('error', () => {})
  }

  /** Aborts when the reader of stdout is gone (EPIPE), or when writing fails; the reason is the system's error. */
  get broken(): AbortSignal {
    return this.#broken.signal
  }

  /**
   * A message as a line, with `prefix` in front. Where a prefix tells the devices apart, or a terminal would obey them,
   * control characters are shown as `\x0a`, so that no device can speak as another one. Waits while stdout is full.
   */
  message(data: Uint8Array, prefix: string, fields: Fields): Promise<void> {
    if (this.json) return this.result('', { event: 'message', ...fields, ...readable(data) })
    if (prefix === '' && !process.stdout.isTTY) return this.write(Buffer.concat([data, NEWLINE]))
    return this.write(`${printable(prefix)}${printableBytes(data)}\n`)
  }

  /** Lines of result for people, or the same as an object. Waits while stdout is full. */
  result(text: string, fields: Fields): Promise<void> {
    return this.write(this.json ? `${printableJson(fields)}\n` : `${printableLines(text)}\n`)
  }

  /** Bytes for stdout as they are. Waits while stdout is full. */
  async write(data: Uint8Array | string): Promise<void> {
    if (this.#broken.signal.aborted || process.stdout.write(data)) return
    this.#drained ??= this.#waitForDrain()
    await this.#drained
  }

  #waitForDrain(): Promise<void> {
    const { signal } = this.#broken
    return new Promise((resolve) => {
      const done = () => {
        process.stdout.off('drain', done)
        signal.removeEventListener('abort', done)
        this.#drained = undefined
        resolve()
      }
      process.stdout.once('drain', done)
      signal.addEventListener('abort', done)
    })
  }

  /**
   * What is going on.
   * @param text one line
   * @param advice more lines for people, which stand below it
   */
  status(text: string, fields: Fields, advice = ''): void {
    const below = advice && `\n  ${printableLines(advice)}`
    process.stderr.write(this.json ? `${printableJson(fields)}\n` : `${printable(text)}${below}\n`)
  }

  /** Something that the caller should change. */
  warning(text: string): void {
    this.status(`warning: ${text}`, { event: 'warning', message: text })
  }

  /** What went wrong, why probably, and what to do. Returns the exit code for it. */
  error(error: unknown): ExitCode {
    const { code, message, hint } = explainError(error)
    const exitCode = exitCodeOf(error)
    this.status(`error: ${message} [${code}]`, { event: 'error', code, message, hint, exit_code: exitCode }, hint)
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

/** `text` where the bytes are UTF-8, else `hex`. */
export function readable(data: Uint8Array): { text: string } | { hex: string } {
  const text = textOf(data)
  return text === undefined ? { hex: Buffer.from(data).toString('hex') } : { text }
}

/** Several lines that this program has put together. */
function printableLines(text: string): string {
  return text.split('\n').map(printable).join('\n')
}

/** The errors of this command itself. */
function isOwnError(error: unknown): error is Unanswered | OutputFailed | WrongPassphrase {
  return error instanceof Unanswered || error instanceof OutputFailed || error instanceof WrongPassphrase
}

function explainError(error: unknown): { code: string; message: string; hint: string | undefined } {
  if (error instanceof UsmpError || isRelayError(error) || isOtaError(error) || isOwnError(error)) return error
  if (isGatewayError(error)) return { code: error.code, message: error.message, hint: error.hint ?? undefined }
  const message = error instanceof Error ? error.message : String(error)
  return { code: 'INTERNAL', message, hint: 'This is a fault of the program or of its surroundings; please report it.' }
}
