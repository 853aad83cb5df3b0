import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const buildScript = fileURLToPath(new URL('../../../firmware-c/tests/wasm/build.sh', import.meta.url))

/** What is used of the platform's WebAssembly; Node's types do not have it. */
interface Platform {
  readonly Module: new (bytes: Uint8Array) => CModule
  readonly Instance: new (module: CModule, imports: object) => { readonly exports: unknown }
}
const platform = (globalThis as unknown as { WebAssembly: Platform }).WebAssembly

/** The C engine, compiled. */
export type CModule = { readonly compiled: unique symbol }

/** What firmware-c/ports/wasm exports. */
interface Exports {
  readonly memory: { readonly buffer: ArrayBuffer }
  _initialize(): void
  exchange_address(): number
  start(isClient: number, kind: number, suite: number, now: number): number
  receive(length: number, now: number): number
  send(length: number, now: number): number
  ping(now: number): number
  rekey(now: number): number
  close(now: number): void
  transport_ended(broken: number): void
  transmit(now: number): number
  timeout(now: number): number
  handle_timeout(now: number): void
  find_kind(length: number): number
  next_event(): number
  event_message(): number
  event_reason(): number
}

const NEVER = 0xffffffff

export interface CEngineOptions {
  readonly role: 'client' | 'server'
  readonly kind: 'stream' | 'datagram' | 'serial'
  readonly suite: number
  readonly psk: Uint8Array
  readonly deviceId: Uint8Array
  readonly random: (length: number) => Uint8Array
}

/** Compiles the C engine; with a tool chain that is not there the build script says what to install. */
export function buildCEngine(): CModule {
  return buildModule('engine')
}

/** Compiles a module of firmware-c/ports/wasm. */
export function buildModule(name: 'engine' | 'manifest'): CModule {
  const path = execFileSync('bash', [buildScript, name], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] })
  return new platform.Module(readFileSync(path.trim()))
}

/** What a module that was compiled exports. */
export function instantiate(module: CModule, imports: object): unknown {
  return new platform.Instance(module, imports).exports
}

/** One connection of the C engine in this process. */
export class CEngine {
  readonly #exports: Exports
  /** In words: `connected`, `pong`, `message HEX`, `closed CODE`. */
  readonly events: string[] = []
  #out: Uint8Array[] = []

  constructor(module: CModule, options: CEngineOptions, now: number) {
    const random = (address: number, length: number) =>
      new Uint8Array(this.#exports.memory.buffer, address, length).set(options.random(length))
    this.#exports = instantiate(module, { usmp: { random } }) as Exports
    this.#exports._initialize()
    const kind = this.#exports.find_kind(this.#putText(options.kind))
    this.#put(Buffer.concat([options.psk, options.deviceId]))
    const result = this.#exports.start(Number(options.role === 'client'), kind, options.suite, now)
    if (result !== 0) throw new Error(`the C engine did not start: ${result}`)
    this.#drain(now)
  }

  receive(bytes: Uint8Array, now: number): void {
    for (let rest = bytes; rest.length > 0; ) {
      this.#put(rest)
      const taken = this.#exports.receive(rest.length, now)
      this.#drain(now)
      if (taken < 0) return
      rest = rest.subarray(taken)
    }
  }

  /** An error of the C core, or 0. */
  send(message: Uint8Array, now: number): number {
    this.#put(message)
    return this.#afterwards(this.#exports.send(message.length, now), now)
  }

  ping(now: number): number {
    return this.#afterwards(this.#exports.ping(now), now)
  }

  rekey(now: number): number {
    return this.#afterwards(this.#exports.rekey(now), now)
  }

  close(now: number): void {
    this.#exports.close(now)
    this.#drain(now)
  }

  handleTimeout(now: number): void {
    this.#exports.handle_timeout(now)
    this.#drain(now)
  }

  /** ms until {@link handleTimeout} has to be called; undefined if never. */
  timeout(now: number): number | undefined {
    const left = this.#exports.timeout(now) >>> 0
    return left === NEVER ? undefined : left
  }

  /** The transport has ended, in order or by a fault. */
  transportEnded(broken: boolean, now: number): void {
    this.#exports.transport_ended(Number(broken))
    this.#drain(now)
  }

  /** All there is of it, to go back to; with nothing left to be taken. */
  save(): Uint8Array {
    return new Uint8Array(this.#exports.memory.buffer).slice()
  }

  /** Goes back to what {@link save} told of this engine. */
  restore(saved: Uint8Array): void {
    new Uint8Array(this.#exports.memory.buffer).set(saved)
    this.events.length = 0
    this.#out = []
  }

  /** All that must leave now, in one piece. */
  takeOutput(): Uint8Array {
    return Buffer.concat(this.#out.splice(0))
  }

  #afterwards(result: number, now: number): number {
    this.#drain(now)
    return result
  }

  #drain(now: number): void {
    for (let length: number; (length = this.#exports.transmit(now)) > 0; ) this.#out.push(this.#get(length))
    for (let length: number; (length = this.#exports.next_event()) > 0; ) {
      this.events.push(this.#describe(this.#getText(length)))
    }
  }

  #describe(kind: string): string {
    if (kind === 'message') return `message ${Buffer.from(this.#get(this.#exports.event_message())).toString('hex')}`
    if (kind === 'closed') return `closed ${this.#getText(this.#exports.event_reason())}`
    return kind
  }

  #putText(text: string): number {
    this.#put(Buffer.from(text))
    return text.length
  }

  #getText(length: number): string {
    return Buffer.from(this.#get(length)).toString()
  }

  #put(bytes: Uint8Array): void {
    new Uint8Array(this.#exports.memory.buffer, this.#exports.exchange_address(), bytes.length).set(bytes)
  }

  #get(length: number): Uint8Array {
    return new Uint8Array(this.#exports.memory.buffer, this.#exports.exchange_address(), length).slice()
  }
}
