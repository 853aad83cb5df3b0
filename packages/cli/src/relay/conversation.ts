import { UsmpError } from '@usmp/core'
import { ExitCode } from '../exit-code.js'
import { readLines, tooLong } from '../lines.js'
import type { Output } from '../output.js'
import type { Stop } from '../stop.js'
import type { MessageLine } from './message-line.js'

/** After a signal, the other end has so long to take what is under way, ms. */
const LAST_WORDS = 2000

export interface ConversationOptions {
  readonly line: MessageLine
  /** Name of the other end. */
  readonly peer: string
  readonly output: Output
  readonly stop: Stop
  /** Its lines are the messages to send; undefined if they come from elsewhere. */
  readonly input: NodeJS.ReadStream | undefined
  readonly onMessage?: (message: Uint8Array) => void
}

/** Lines of stdin out and messages in, over one line. */
export class Conversation {
  readonly #options: ConversationOptions
  #failure: { readonly error: unknown } | undefined
  #refusedLines = 0
  #closing = false

  constructor(options: ConversationOptions) {
    this.#options = options
  }

  /** Whether it was over before this end has closed. */
  get endedByPeer(): boolean {
    return !this.#closing
  }

  /** Ends the conversation because of an error, which {@link run} throws. */
  fail(error: unknown): void {
    this.#failure ??= { error }
    void this.#options.line.abort().catch(() => {})
  }

  /** Runs until the other end has closed, or everything was said, or a signal came. Returns the exit code. */
  async run(): Promise<number> {
    const { line, stop } = this.#options
    const onStop = () => void this.#stop()
    stop.signal.addEventListener('abort', onStop, { once: true })
    if (stop.signal.aborted) onStop()
    const { input } = this.#options
    if (input) this.#feed(input).catch((error) => this.#failUnlessOver(error))
    try {
      await this.#receive()
    } catch (error) {
      if (!this.#failure && !this.#closing) throw error
    } finally {
      stop.signal.removeEventListener('abort', onStop)
      await line.abort()
    }
    if (this.#failure) throw this.#failure.error
    if (line.undelivered > 0) return ExitCode.UNREACHABLE
    return this.#refusedLines > 0 ? ExitCode.USAGE : ExitCode.OK
  }

  async #receive(): Promise<void> {
    const { line, output, peer, onMessage } = this.#options
    for await (const message of line.messages()) {
      await output.message(message, '', { peer })
      onMessage?.(message)
    }
  }

  /** With nothing on stdin, as of a service, there is nothing that could be over. */
  async #feed(input: NodeJS.ReadStream): Promise<void> {
    const { line, output, stop } = this.#options
    let count = 0
    for await (const text of readLines(input)) {
      count++
      if (text.bytes) await line.send(text.bytes)
      else {
        this.#refusedLines++
        output.error(tooLong(text, 'stdin'))
      }
    }
    if (stop.signal.aborted || (count === 0 && !input.isTTY)) return
    this.#closing = true
    await line.close()
  }

  /** What is typed after the other end has closed has nowhere to go. */
  #failUnlessOver(error: unknown): void {
    if (!(error instanceof UsmpError && error.code === 'CLOSED')) this.fail(error)
  }

  async #stop(): Promise<void> {
    const { line } = this.#options
    this.#closing = true
    const timer = setTimeout(() => void line.abort().catch(() => {}), LAST_WORDS)
    await line.close().catch(() => line.abort())
    clearTimeout(timer)
  }
}
