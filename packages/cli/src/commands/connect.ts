import { cipherSuiteNames, type Session, type UsmpError } from '@usmp/core'
import type { FindingConnectOptions } from '@usmp/discovery'
import { readPskFile, type SessionsOptions } from '@usmp/node'
import { readPemFile } from '@usmp/node/key-files'
import { endOf, errorFields, sessionFields } from '../describe.js'
import { connectorFor } from '../discover/package.js'
import { isSearched, searchOptions } from '../discover/place.js'
import { ExitCode, Unanswered } from '../exit-code.js'
import { IdleTimer } from '../idle-timer.js'
import { Latch } from '../latch.js'
import { readLines, tooLong } from '../lines.js'
import { type PeerOptions, urlOf } from '../options.js'
import type { Output } from '../output.js'
import type { Stop } from '../stop.js'
import { SuiteCheck } from '../suite-check.js'

const CONNECT_TIMEOUT = 10_000
const HANDSHAKE_TIMEOUT = 5_000

export interface ConnectCommandOptions extends PeerOptions {
  readonly retry?: boolean
  /** End with the first message. */
  readonly one?: boolean
  /** ms */
  readonly wait?: number
}

/** Sends the lines of stdin and writes what comes. */
export async function connectCommand(options: ConnectCommandOptions, output: Output, stop: Stop): Promise<number> {
  const url = urlOf(options)
  const conversation = new Conversation(options, output, stop)
  const settings = await connectOptions(options, conversation.signal)
  const onRetry = (reason: UsmpError, pause: number) => conversation.lost(reason, pause)
  conversation.start()
  try {
    for await (const session of attempts(url, settings, options.retry ? onRetry : undefined))
      await conversation.hold(session)
  } catch (error) {
    // Calling an attempt off is how a conversation ends early.
    if (!conversation.signal.aborted) throw error
  }
  return conversation.verdict()
}

/** What the library needs of the options that all connecting commands share. */
export async function connectOptions(
  options: PeerOptions & { readonly wait?: number },
  signal: AbortSignal,
): Promise<FindingConnectOptions> {
  const wait = options.wait ?? Number.POSITIVE_INFINITY
  return {
    deviceId: options.id,
    psk: await readPskFile(options.pskFile),
    connectTimeout: Math.min(wait, CONNECT_TIMEOUT),
    handshakeTimeout: Math.min(wait, HANDSHAKE_TIMEOUT),
    signal,
    ...(options.suite ? { suite: options.suite } : {}),
    ...(options.ca === undefined ? {} : { ca: await readPemFile(options.ca) }),
    // Other addresses have nothing to search for.
    ...(isSearched(options.url ?? '') ? { search: searchOptions(options) } : {}),
  }
}

/** Says that a session is there. */
export function announce(session: Session, output: Output): void {
  const suite = cipherSuiteNames[session.suite]
  output.status(`connected to ${session.address} as ${session.deviceId}, ${suite}`, {
    event: 'connected',
    address: session.address,
    ...sessionFields(session),
    suite,
  })
}

/** One session, or with `onRetry` one after another. */
async function* attempts(
  url: string,
  settings: FindingConnectOptions,
  onRetry: SessionsOptions['onRetry'],
): AsyncGenerator<Session, void, undefined> {
  const { connect, sessions } = await connectorFor(url)
  if (onRetry) yield* sessions(url, { ...settings, onRetry })
  else yield await connect(url, settings)
}

/** Lines out and messages in, over one session, or over several one after another. */
class Conversation {
  readonly #options: ConnectCommandOptions
  readonly #output: Output
  readonly #stop: Stop
  readonly #end = new AbortController()
  /** Aborts when the conversation is over. */
  readonly signal: AbortSignal
  readonly #session = new Latch<Session>()
  /** Of the session there is, or that was lost last. */
  #suites: SuiteCheck | undefined
  readonly #idleTimer: IdleTimer
  #connected = false
  /** Why there is no session right now, with `--retry`. */
  #lost: UsmpError | undefined
  #inputOver = false
  #sent = 0
  #received = 0
  #refusedLines = 0
  #failure: { readonly error: unknown } | undefined

  constructor(options: ConnectCommandOptions, output: Output, stop: Stop) {
    this.#options = options
    this.#output = output
    this.#stop = stop
    this.signal = AbortSignal.any([stop.signal, this.#end.signal])
    this.#idleTimer = new IdleTimer(options.wait, () => this.#onIdle())
  }

  /** Begins to read stdin; its lines wait for a session. */
  start(): void {
    this.#feed().catch((error) => {
      this.#failure ??= { error }
      this.#end.abort()
    })
  }

  /** Writes the messages of a session until it ends. */
  async hold(session: Session): Promise<void> {
    const close = () => void session.close()
    this.signal.addEventListener('abort', close, { once: true })
    if (this.signal.aborted) close()
    this.#connected = true
    this.#lost = undefined
    announce(session, this.#output)
    this.#suites = new SuiteCheck(session, 'client')
    this.#session.set(session)
    this.#waitOn()
    try {
      await this.#receive(session, this.#suites)
    } catch (error) {
      if (!session.signal.aborted) throw error
      if (!this.#options.retry) throw this.#suites.explain(await session.closed)
    } finally {
      this.signal.removeEventListener('abort', close)
      this.#session.clear(session)
      await session.close()
    }
    if (!this.signal.aborted && !this.#options.retry) await this.#tellEnd(session)
  }

  /** Tells why there is no session, and when there may be one. */
  lost(reason: UsmpError, pause: number): void {
    const explained = this.#suites?.explain(reason) ?? reason
    // The next reason may be one without a session.
    this.#suites = undefined
    this.#lost = explained
    const fields = { event: 'retry', ...errorFields(explained), pause_ms: pause }
    this.#output.status(`${endOf(explained)}; next attempt in ${(pause / 1000).toFixed(1)} s`, fields, explained.hint)
  }

  /** The exit code, once all is over. */
  verdict(): number {
    this.#idleTimer.stop()
    if (this.#failure) throw this.#failure.error
    const unanswered = this.#options.one && this.#received === 0
    if (this.#stop.signal.aborted) return unanswered || !this.#connected ? this.#stop.exitCode : ExitCode.OK
    if (this.#refusedLines > 0) return ExitCode.USAGE
    if (!unanswered) return ExitCode.OK
    throw new Unanswered('PEER_LEFT', 'the server ended the session without an answer', 'Its own output may say why.')
  }

  async #tellEnd(session: Session): Promise<void> {
    const reason = await session.closed
    this.#output.status(endOf(reason), { event: 'ended', ...sessionFields(session), ...errorFields(reason) })
  }

  async #receive(session: Session, suites: SuiteCheck): Promise<void> {
    for (let message = await session.receive(); message; message = await session.receive()) {
      suites.passed()
      this.#received++
      await this.#output.message(message, '', sessionFields(session))
      if (this.#options.one) return this.#end.abort()
      this.#waitOn()
    }
  }

  async #feed(): Promise<void> {
    for await (const line of readLines(process.stdin)) {
      if (line.bytes) {
        await this.#send(line.bytes)
        this.#sent++
        this.#waitOn()
      } else {
        this.#refusedLines++
        this.#output.error(tooLong(line, 'stdin'))
      }
    }
    this.#inputOver = true
    const { one, wait } = this.#options
    if (!one && wait === undefined) await this.#delivered()
    else if (this.#sent > 0 || this.#refusedLines === 0) return this.#waitOn()
    this.#end.abort()
  }

  /** Sends a message over this session, or over the next one if it cannot be handed to this one any more. */
  async #send(message: Uint8Array): Promise<void> {
    for (;;) {
      const session = await this.#session.get()
      try {
        return await session.send(message)
      } catch (error) {
        if (!session.signal.aborted) throw error
        this.#session.clear(session)
      }
    }
  }

  /** The answer to a PING comes after the peer has taken all that was sent before it. */
  async #delivered(): Promise<void> {
    const session = await this.#session.get()
    try {
      await session.ping()
    } catch {
      const reason = await session.closed
      if (reason.code !== 'CLOSED') this.#failure ??= { error: this.#suites?.explain(reason) ?? reason }
    }
  }

  /** Waits for an answer from here on, if it is time to. The first connection has its own limits. */
  #waitOn(): void {
    if (!this.#connected && !this.#options.retry) return
    if (this.#inputOver || (this.#options.one && this.#sent > 0)) this.#idleTimer.touch()
  }

  #onIdle(): void {
    if (this.#lost) this.#failure ??= { error: this.#lost }
    else if (this.#received === 0) {
      const message = `no message came within ${this.#options.wait! / 1000} s`
      const hint = 'Does the server answer to this? Give it more time with -W.'
      this.#failure ??= { error: new Unanswered('NO_ANSWER', message, hint) }
    }
    this.#end.abort()
  }
}
