import { once } from 'node:events'
import { createServer, type Server as HttpsServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { type Session, UsmpError } from '@usmp/core'
import { type ListenOptions, listen, type Server, serialPort } from '@usmp/node'
import { looksLike, plainText } from '../../shared/plain-text.js'
import { site } from '../../shared/site.js'
import type { RobotInfo, Said } from '../contract.js'
import type { Certificate } from './certificate.js'
import type { Keys } from './keys.js'
import { type Fleet, noSuchRobot, OperatorSession } from './operator-session.js'
import { RobotSession } from './robot-session.js'

/** An address to listen on; port 0 takes a free one. */
export interface Address {
  readonly host: string
  readonly port: number
}

export interface HubOptions {
  readonly keys: Keys
  readonly tcp: Address
  readonly udp: Address
  readonly https: Address
  readonly certificate: Certificate
  /** The built page. */
  readonly page: string
  /** Other origins that pages may come from. */
  readonly origins: readonly string[]
  /** Path of a serial port with a robot at its other end. */
  readonly serial: string | undefined
  readonly log: Log
}

/** One line for one event; never a key, never what was said. */
export type Log = (event: string, text: string, fields?: Readonly<Record<string, unknown>>) => void

/** Where the WebSocket is on the HTTPS server. */
const WEBSOCKET_PATH = '/usmp'
/** ms of silence after which we ask a peer whether it is there, and after which its session ends. */
const KEEPALIVE = 2_000
const IDLE_TIMEOUT = 10_000
const MAX_CONNECTIONS = 250
/** Until a browser has to have sent its whole request, ms. */
const REQUEST_TIMEOUT = 10_000
/** Changes that come together are told together: at most so often, ms. */
const TELL_INTERVAL = 50

/** Faults of peers in the log: so many at most in so many ms. */
const MAX_FAULTS = 20
const FAULT_INTERVAL = 60_000

/** Robots on one side, operators on the other, and who may do what. */
export class Hub implements Fleet {
  readonly #keys: Keys
  readonly #log: Log
  readonly #robots: ReadonlyMap<string, RobotSession>
  readonly #operators = new Set<OperatorSession>()
  #server!: Server
  #https!: HttpsServer
  #telling: NodeJS.Timeout | undefined
  #faults = 0
  #faultsSince = 0

  private constructor(keys: Keys, log: Log) {
    this.#keys = keys
    this.#log = log
    const events = {
      changed: () => this.#tellSoon(),
      chat: (robot: RobotSession, text: string) => this.#tellChat(robot.id, robot.name, 'robot', text),
      isTaken: (robot: RobotSession, name: string) => this.#isTaken(robot, name),
      fault: (robot: RobotSession, fault: Error) => this.#logFault(`robot ${robot.id}`, fault),
    }
    this.#robots = new Map([...keys.robots].map(([id, known]) => [id, new RobotSession(known, events)]))
  }

  /** @throws UsmpError TRANSPORT_FAILED if a port cannot be had */
  static async start(options: HubOptions): Promise<Hub> {
    const hub = new Hub(options.keys, options.log)
    try {
      await hub.#listen(options)
    } catch (error) {
      await hub.close()
      throw error
    }
    return hub
  }

  /** `host:port` for robots and operators. */
  get tcpAddress(): string {
    return this.#server.address
  }

  get udpAddress(): string {
    return this.#server.udpAddress
  }

  /** The page. */
  get httpsPort(): number {
    return (this.#https.address() as AddressInfo).port
  }

  /** Says BYE to everybody and stops listening. */
  async close(): Promise<void> {
    clearTimeout(this.#telling)
    this.#https?.close()
    await this.#server?.close()
    this.#https?.closeAllConnections()
  }

  get robots(): readonly RobotInfo[] {
    return [...this.#robots.values()].map((robot) => robot.info)
  }

  robot(id: string): RobotSession {
    return this.#robots.get(id) ?? noSuchRobot(id)
  }

  async chat(robot: RobotSession, from: string, text: string): Promise<void> {
    await robot.chat(from, text)
    this.#tellChat(robot.id, from, 'operator', text)
  }

  fault(operator: OperatorSession, fault: Error): void {
    this.#logFault(`operator ${operator.name}`, fault)
  }

  async #listen({ tcp, udp, https, certificate, page, origins, serial }: HubOptions): Promise<void> {
    const { key, cert } = certificate
    const limits = {
      headersTimeout: REQUEST_TIMEOUT,
      requestTimeout: REQUEST_TIMEOUT,
      handshakeTimeout: REQUEST_TIMEOUT,
    }
    this.#https = createServer({ key, cert, ...limits }, site(page))
    // No `maxConnections` on it: Node would turn newcomers away. `listen` bounds those that ask for nothing, the oldest first.
    this.#https.listen(https.port, https.host)
    await once(this.#https, 'listening').catch((cause: Error) => {
      throw new UsmpError('TRANSPORT_FAILED', `the port of the page: ${cause.message}`, { cause })
    })
    this.#https.on('error', (error) => this.#log('warning', `HTTPS: ${error.message}`))
    const own = [...new Set([https.host, '127.0.0.1', 'localhost'])].map((host) => `https://${host}:${this.httpsPort}`)
    this.#server = await listen({
      tcp,
      udp,
      websocket: { server: this.#https, path: WEBSOCKET_PATH, origins: [...own, ...origins] },
      ...(serial === undefined ? {} : { serial: serialPort(serial) }),
      psk: (id) => (this.#keys.robots.get(id) ?? this.#keys.operators.get(id))?.psk ?? null,
      maxConnections: MAX_CONNECTIONS,
      keepalive: KEEPALIVE,
      idleTimeout: IDLE_TIMEOUT,
    } satisfies ListenOptions)
    this.#server.addEventListener('refused', ({ address, deviceId, error }) =>
      this.#log('refused', `refused ${deviceId ?? 'somebody'} at ${address}: ${error.message}`, {
        address,
        device_id: deviceId,
        code: error.code,
      }),
    )
    this.#server.addEventListener('warning', ({ message }) => this.#log('warning', message))
    // The session says nothing about why it ends; an operator who is replaced must not come back and fight for the place.
    this.#server.addEventListener('session', ({ replaced }) => replaced && sayGoodbye(replaced))
    void this.#welcome()
  }

  async #welcome(): Promise<void> {
    for await (const session of this.#server) {
      const operator = this.#keys.operators.get(session.deviceId)
      if (operator) void this.#serveOperator(new OperatorSession(operator, session, this), session)
      else void this.#serveRobot(this.robot(session.deviceId), session)
    }
  }

  async #serveRobot(robot: RobotSession, session: Session): Promise<void> {
    this.#logCome('robot', session, robot.name)
    this.#logGone('robot', session, robot.name, await robot.serve(session))
  }

  async #serveOperator(operator: OperatorSession, session: Session): Promise<void> {
    this.#logCome('operator', session, operator.name)
    this.#operators.add(operator)
    const reason = await operator.closed
    this.#operators.delete(operator)
    for (const robot of this.#robots.values()) robot.leave(operator)
    this.#logGone('operator', session, operator.name, reason)
  }

  #logCome(what: string, session: Session, name: string): void {
    const { deviceId, address, transportKind } = session
    const fields = { device_id: deviceId, name, address, transport: transportKind }
    this.#log(`${what}-connected`, `${what} ${name} (${deviceId}) is here, from ${address}`, fields)
  }

  #logGone(what: string, { deviceId, address }: Session, name: string, { code, message }: UsmpError): void {
    const fields = { device_id: deviceId, name, address, code }
    this.#log(`${what}-gone`, `${what} ${name} (${deviceId}) at ${address} is gone: ${message} [${code}]`, fields)
  }

  /** Bounded: a peer that sends rubbish must not fill the log. */
  #logFault(who: string, fault: Error): void {
    const now = performance.now()
    if (now - this.#faultsSince >= FAULT_INTERVAL) {
      this.#faultsSince = now
      this.#faults = 0
    }
    if (++this.#faults > MAX_FAULTS) return
    const last = this.#faults === MAX_FAULTS ? '; further faults of this minute are not shown' : ''
    this.#log('fault', `${who}: ${fault.message}${last}`)
  }

  #tellSoon(): void {
    this.#telling ??= setTimeout(() => {
      this.#telling = undefined
      const { robots } = this
      for (const operator of this.#operators) operator.showRobots(robots)
    }, TELL_INTERVAL).unref()
  }

  #tellChat(robot: string, from: string, role: Said['role'], text: string): void {
    const said = { robot, from, role, text: plainText(text) }
    for (const operator of this.#operators) operator.showChat(said)
  }

  /** Whether people would take a robot of this name for an operator, or for another robot. */
  #isTaken(robot: RobotSession, name: string): boolean {
    const others = [...this.#robots.values()].filter((other) => other !== robot)
    return [...this.#keys.operators.values(), ...others].some((other) => looksLike(other.name, name))
  }
}

/** A notification by hand: the session is not ours, its own reader and writer is about to lose it. */
function sayGoodbye(session: Session): void {
  const params = { code: 'REPLACED', message: 'another session was opened with the same id and key' }
  session.trySend(JSON.stringify({ jsonrpc: '2.0', method: 'goodbye', params }))
}
