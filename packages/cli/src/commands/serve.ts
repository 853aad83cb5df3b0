import { type CipherSuite, cipherSuiteNames, type Session, UsmpError } from '@usmp/core'
import {
  type ListenOptions,
  listen,
  type RefusedEvent,
  readPskFile,
  readPskTable,
  type Server,
  serialPort,
} from '@usmp/node'
import { readPemFile } from '@usmp/node/key-files'
import { Broadcast } from '../broadcast.js'
import { CommandSlots, MAX_COMMANDS } from '../command-slots.js'
import { endOf, errorFields, sessionFields } from '../describe.js'
import { type CommandEnd, runCommand } from '../exec.js'
import { ExitCode, Unanswered } from '../exit-code.js'
import { IdleTimer } from '../idle-timer.js'
import { Latch } from '../latch.js'
import { readLines, tooLong } from '../lines.js'
import type { Address, SerialAddress } from '../options.js'
import type { Output } from '../output.js'
import type { Stop } from '../stop.js'
import { SuiteCheck } from '../suite-check.js'

export interface ServeCommandOptions {
  readonly tcp?: Address
  readonly udp?: Address
  readonly ws?: URL
  /** PEM files for `wss`. */
  readonly tlsCert?: string
  readonly tlsKey?: string
  /** Web pages that may connect. */
  readonly origin?: readonly string[]
  readonly serial?: SerialAddress
  readonly pskFile?: string
  readonly pskTable?: string
  readonly echo?: boolean
  readonly exec?: string
  readonly suite?: CipherSuite
  /** End with the first message. */
  readonly one?: boolean
  /** ms */
  readonly wait?: number
}

/** Listens, and connects the sessions with stdin and stdout, with themselves, or with commands. */
export async function serveCommand(options: ServeCommandOptions, output: Output, stop: Stop): Promise<number> {
  const server = await listen({
    ...(await places(options)),
    ...(await keys(options)),
    ...(options.suite ? { suite: options.suite } : {}),
  })
  return new Service(server, options, output).run(stop.signal)
}

/** @throws UsmpError INVALID_ARGUMENT */
async function places(
  options: ServeCommandOptions,
): Promise<Pick<ListenOptions, 'tcp' | 'udp' | 'websocket' | 'serial'>> {
  const { tcp, udp, ws, serial } = options
  if (!tcp && !udp && !ws && !serial) {
    throw new UsmpError('INVALID_ARGUMENT', 'there is nowhere to listen', {
      hint: 'Give --tcp HOST:PORT, --udp HOST:PORT, --ws HOST:PORT or --serial PATH.',
    })
  }
  if (!ws && (options.tlsCert ?? options.tlsKey ?? options.origin) !== undefined) {
    throw new UsmpError('INVALID_ARGUMENT', '--tls-cert, --tls-key and --origin belong to --ws')
  }
  return {
    ...(tcp ? { tcp } : {}),
    ...(udp ? { udp } : {}),
    ...(ws ? { websocket: await websocketPlace(ws, options) } : {}),
    ...(serial ? { serial: serialPort(serial.path, serial.baudRate ? { baudRate: serial.baudRate } : {}) } : {}),
  }
}

async function websocketPlace(
  url: URL,
  { tlsCert, tlsKey, origin }: ServeCommandOptions,
): Promise<NonNullable<ListenOptions['websocket']>> {
  if ((tlsCert === undefined) !== (tlsKey === undefined)) {
    throw new UsmpError('INVALID_ARGUMENT', '--tls-cert and --tls-key belong together')
  }
  if (url.protocol === 'wss:' && tlsCert === undefined) {
    throw new UsmpError('INVALID_ARGUMENT', 'there is no certificate to serve wss:// with', {
      hint: 'Give --tls-cert FILE and --tls-key FILE, or serve ws:// behind a proxy that speaks TLS.',
    })
  }
  return {
    host: url.hostname.replace(/^\[|\]$/g, ''),
    port: Number(url.port || (tlsCert === undefined ? 80 : 443)),
    path: url.pathname,
    ...(origin ? { origins: origin } : {}),
    ...(tlsCert !== undefined && tlsKey !== undefined
      ? { tls: { cert: await readPemFile(tlsCert), key: await readPemFile(tlsKey) } }
      : {}),
  }
}

type Place = 'tcp' | 'udp' | 'ws' | 'serial'

/** How to let devices of the network in, where a server listens for programs of this machine alone. */
function loopbackHint(place: Place, address: string): string | undefined {
  const [, scheme = '', host, rest] = /^(wss?:\/\/)?(127\.[\d.]+|\[::1\])(:\d+(?:\/.*)?)$/.exec(address) ?? []
  if (host === undefined) return undefined
  const all = host.startsWith('[') ? '[::]' : '0.0.0.0'
  return `Only programs on this machine reach it. To take devices from the network: --${place} ${scheme}${all}${rest}`
}

async function keys({ pskFile, pskTable }: ServeCommandOptions): Promise<Pick<ListenOptions, 'psk' | 'sharedPsk'>> {
  if (pskTable !== undefined) return { psk: await readPskTable(pskTable) }
  return { sharedPsk: await readPskFile(pskFile!) }
}

class Service {
  readonly #server: Server
  readonly #options: ServeCommandOptions
  readonly #output: Output
  readonly #idleTimer: IdleTimer
  /** Open while there is a session to send to. */
  readonly #audience = new Latch<Server>()
  readonly #broadcast = new Broadcast({
    onFallingBehind: (session) => this.#tellBehind(session),
    onCaughtUp: (session, missed) => this.#tellMissed(session, missed),
  })
  readonly #attending = new Set<Promise<void>>()
  readonly #devices = new Set<string>()
  readonly #slots = new CommandSlots()
  /** Of the last session that failed because of different suites. */
  #mismatch: UsmpError | undefined
  #received = 0
  #refusedLines = 0
  #failure: { readonly error: unknown } | undefined

  constructor(server: Server, options: ServeCommandOptions, output: Output) {
    this.#server = server
    this.#options = options
    this.#output = output
    this.#idleTimer = new IdleTimer(options.wait, () => this.#onIdle())
    server.addEventListener('refused', (event) => this.#tellRefused(event))
    server.addEventListener('warning', (event) => output.warning(event.message))
    server.addEventListener('session', () => this.#audience.set(server))
    server.addEventListener('ended', () => {
      if (server.sessions.length === 0) this.#audience.clear(server)
    })
  }

  async run(stop: AbortSignal): Promise<number> {
    const { tcp, udp, ws, serial } = this.#options
    if (tcp) this.#tellListening('tcp', this.#server.address)
    if (udp) this.#tellListening('udp', this.#server.udpAddress)
    if (ws) this.#tellListening('ws', this.#server.websocketUrl)
    if (serial) this.#tellListening('serial', serial.path)
    const close = () => void this.#server.close()
    stop.addEventListener('abort', close, { once: true })
    if (stop.aborted) close()
    this.#idleTimer.touch()
    if (!this.#options.echo && this.#options.exec === undefined) this.#startFeeding()
    for await (const session of this.#server) this.#attend(session)
    await Promise.all(this.#attending)
    this.#idleTimer.stop()
    if (this.#failure) throw this.#failure.error
    return this.#refusedLines > 0 ? ExitCode.USAGE : ExitCode.OK
  }

  #tellListening(place: Place, address: string): void {
    const hint = loopbackHint(place, address)
    const fields = {
      event: 'listening',
      address,
      ...(place === 'udp' ? { transport: 'udp' } : {}),
      ...(hint ? { hint } : {}),
    }
    this.#output.status(`listening on ${place === 'udp' ? 'UDP ' : ''}${address}`, fields, hint)
  }

  #attend(session: Session): void {
    const attended = this.#serve(session)
      .catch((error) => this.#fail(error))
      .finally(() => this.#attending.delete(attended))
    this.#attending.add(attended)
  }

  async #serve(session: Session): Promise<void> {
    const { deviceId, address } = session
    const suite = cipherSuiteNames[session.suite]
    const fields = sessionFields(session)
    this.#devices.add(deviceId)
    this.#output.status(`${deviceId}: session from ${address}, ${suite}`, {
      event: 'session',
      address,
      ...fields,
      suite,
    })
    const suites = new SuiteCheck(session, 'server')
    if (this.#options.exec === undefined) await this.#converse(session, suites)
    else await this.#runCommand(session, this.#options.exec, suites)
    await session.close()
    const reason = suites.explain(await session.closed)
    if (reason.code === 'SUITE_MISMATCH') this.#mismatch = reason
    this.#output.status(`${deviceId}: ${endOf(reason)}`, {
      event: 'ended',
      ...fields,
      ...errorFields(reason),
    })
    if (this.#options.one && this.#received > 0) await this.#server.close()
  }

  /** Writes the messages of a session, and sends them back with `--echo`. */
  async #converse(session: Session, suites: SuiteCheck): Promise<void> {
    try {
      for (let message = await session.receive(); message; message = await session.receive()) {
        suites.passed()
        if (!this.#mayTake()) return
        await this.#output.message(message, this.#prefix(session), sessionFields(session))
        if (this.#options.echo) await session.send(message)
        if (this.#options.one) return
      }
    } catch (error) {
      // How a session ended is told by who attends it.
      if (!session.signal.aborted) throw error
    }
  }

  async #runCommand(session: Session, command: string, suites: SuiteCheck): Promise<void> {
    if (this.#slots.full(session)) this.#tellWaiting(session)
    if (!(await this.#slots.acquire(session))) return
    const onMessage = () => {
      suites.passed()
      return this.#mayTake() && !this.#options.one
    }
    try {
      this.#tellCommand(session, await runCommand(session, command, this.#output, onMessage))
    } finally {
      this.#slots.release(session)
    }
  }

  #tellWaiting(session: Session): void {
    this.#output.status(`${session.deviceId}: its command waits; ${MAX_COMMANDS} are running, or one of this device`, {
      event: 'waiting',
      ...sessionFields(session),
    })
  }

  #tellCommand(session: Session, { code, signal }: CommandEnd): void {
    if (code === 0) return
    const how = signal ? `by ${signal}` : `with ${code}`
    this.#output.status(`${session.deviceId}: the command ended ${how}`, {
      event: 'command',
      ...sessionFields(session),
      exit_code: code,
      signal,
    })
  }

  /** Counts a message; false if one was enough and there has been one. */
  #mayTake(): boolean {
    if (this.#options.one && this.#received > 0) return false
    this.#received++
    this.#idleTimer.touch()
    return true
  }

  /** Whose message a line is, as soon as that is a question. */
  #prefix({ deviceId }: Session): string {
    return this.#options.pskTable !== undefined || this.#devices.size > 1 ? `${deviceId} ` : ''
  }

  #startFeeding(): void {
    this.#feed().catch((error) => this.#fail(error))
  }

  /** Sends each line of stdin to every session there is, and waits for one if there is none. */
  async #feed(): Promise<void> {
    for await (const line of readLines(process.stdin)) {
      const { bytes } = line
      if (bytes) {
        while (!(await this.#broadcast.send((await this.#audience.get()).sessions, bytes)));
      } else {
        this.#refusedLines++
        this.#output.error(tooLong(line, 'stdin'))
      }
    }
  }

  #tellBehind(session: Session): void {
    this.#output.status(`${session.deviceId}: does not take what is sent; lines are dropped for it`, {
      event: 'behind',
      ...sessionFields(session),
    })
  }

  #tellMissed(session: Session, lines: number): void {
    this.#output.status(`${session.deviceId}: ${lines} lines were dropped for it`, {
      event: 'dropped',
      ...sessionFields(session),
      lines,
    })
  }

  #tellRefused({ address, deviceId, error }: RefusedEvent): void {
    const who = deviceId === undefined ? address : `${deviceId} from ${address}`
    const fields = {
      event: 'refused',
      address,
      ...(deviceId === undefined ? {} : { device_id: deviceId }),
      ...errorFields(error),
    }
    this.#output.status(`refused ${who}: ${error.message} [${error.code}]`, fields, error.hint)
  }

  #onIdle(): void {
    if (this.#received === 0) {
      const message = `no message came within ${this.#options.wait! / 1000} s`
      const hint = 'Are the devices connected? Each session and each refusal is told here.'
      this.#failure ??= { error: this.#mismatch ?? new Unanswered('NO_ANSWER', message, hint) }
    }
    void this.#server.close()
  }

  #fail(error: unknown): void {
    this.#failure ??= { error }
    void this.#server.close()
  }
}
