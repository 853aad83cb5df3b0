import { Session as CoreSession, type Session, streamTransport, type Transport } from '@usmp/core'
import { ReliableDatagram } from '@usmp/core/datagram'
import { nodeProvider, nodeRandom } from '@usmp/node'
import { type Peer, rpc } from '@usmp/rpc'
import { deviceNumber, SimulatedClock, turns, until } from '@usmp/testing'
import { onTestFinished } from 'vitest'
import type { Actor } from '../../src/actor.js'
import type { Device, DeviceState } from '../../src/contract/device.js'
import { deviceApi, gatewayApi } from '../../src/device-api.js'
import type { Description } from '../../src/devices/link.js'
import { GatewayError } from '../../src/errors.js'
import { type Gateway, startGateway } from '../../src/gateway.js'
import type { GatewayOptions } from '../../src/options.js'
import type { OpenedStore } from '../../src/store/open.js'
import { temporaryStore } from './temporary-store.js'

export const ADMIN: Actor = { name: 'ada', role: 'admin' }
export const OPERATOR: Actor = { name: 'otto', role: 'operator' }
export const VIEWER: Actor = { name: 'vera', role: 'viewer' }

/** A key of a device, as bytes and as people type it. */
export interface TestKey {
  readonly psk: Uint8Array
  readonly hex: string
}

/** A random key. */
export function newKey(): TestKey {
  const psk = nodeRandom(32)
  return { psk, hex: Buffer.from(psk).toString('hex') }
}

/** A gateway with what drives it. */
export interface TestGateway {
  readonly gateway: Gateway
  readonly store: OpenedStore
  /** The clock for spans, and that of the wall, which a test may set: both go on by `clock.advance` alone. */
  readonly clock: SimulatedClock
  wallOffset: number
}

/** Devices live by the clock of their gateway. */
const clocks = new WeakMap<Gateway, SimulatedClock>()

/** A gateway on a real store and simulated time, which listens nowhere; closed when the test ends. */
export async function testGateway(options: Partial<GatewayOptions> = {}, opened?: OpenedStore): Promise<TestGateway> {
  const store = opened ?? (await temporaryStore())
  const clock = new SimulatedClock()
  const test = { store, clock, wallOffset: 1_700_000_000_000 } as { -readonly [K in keyof TestGateway]: TestGateway[K] }
  test.gateway = await startGateway({ store, clock, now: () => test.wallOffset + clock.now(), ...options })
  clocks.set(test.gateway, clock)
  onTestFinished(() => test.gateway.close())
  return test
}

/** Holds up what goes to a device, as if its program were stopped: it hears nothing, and says nothing by itself. */
export class Freezer {
  #thawed: Promise<void> = Promise.resolve()
  #thaw = () => {}

  freeze(): void {
    this.#thawed = new Promise((resolve) => (this.#thaw = resolve))
  }

  thaw(): void {
    this.#thaw()
  }

  get stream(): TransformStream<Uint8Array, Uint8Array> {
    return new TransformStream({
      transform: async (bytes, controller) => {
        await this.#thawed
        controller.enqueue(bytes)
      },
    })
  }
}

/** Both ends of a transport in memory. */
function pair(kind: Transport['kind'], address: string, freezer: Freezer): { near: Transport; far: Transport } {
  const there = new TransformStream<Uint8Array, Uint8Array>()
  const back = freezer.stream
  const near = streamTransport({ kind, readable: back.readable, writable: there.writable })
  const far = streamTransport({ kind, readable: there.readable, writable: back.writable, address })
  return { near, far }
}

interface DeviceOptions {
  readonly kind?: Transport['kind']
  readonly address?: string
  readonly freezer?: Freezer
}

/** A device that tries to get a session; rejects if it gets none. */
export async function connectDevice(
  gateway: Gateway,
  id: string,
  psk: Uint8Array,
  { kind = 'stream', address = `at ${id}`, freezer = new Freezer() }: DeviceOptions = {},
): Promise<Session> {
  const { near, far } = pair(kind, address, freezer)
  const accepted = gateway.accept(far, { address })
  const session = CoreSession.connect(near, {
    deviceId: Uint8Array.from(Buffer.from(id.replaceAll(':', ''), 'hex')),
    psk,
    random: nodeRandom,
    provider: nodeProvider,
    clock: clocks.get(gateway)!,
    reliableDatagram: ReliableDatagram,
    keepalive: 0,
    idleTimeout: 0,
    handshakeTimeout: 5_000,
  })
  const [result] = await Promise.allSettled([session, accepted])
  if (result.status === 'rejected') throw result.reason
  onTestFinished(() => result.value.close())
  return result.value
}

/** A device that knocks and is turned away. */
export async function knock(gateway: Gateway, id: string, psk: Uint8Array, options?: DeviceOptions): Promise<void> {
  const session = await connectDevice(gateway, id, psk, options).catch(() => undefined)
  if (session) throw new Error(`${id} was let in`)
}

/** A device that speaks JSON-RPC, and describes itself so. */
export function serve(session: Session, description: Description = {}): Peer<typeof gatewayApi> {
  return rpc(session, { serves: deviceApi, calls: gatewayApi, requests: { describe: () => description } })
}

/** Lets time pass in steps, so that what is sent meanwhile is answered. */
export async function pass({ clock }: TestGateway, ms: number, step = 5_000): Promise<void> {
  for (let left = ms; left > 0; left -= step) {
    clock.advance(Math.min(step, left))
    await turns(12)
  }
}

/** Lets a device knock, and approves it. */
export async function approved(gateway: Gateway, id: string, key: TestKey, name?: string): Promise<Device> {
  await gateway.openJoin(OPERATOR, { minutes: 60 })
  await knock(gateway, id, key.psk)
  const { proofId } = (await untilState(gateway, id, 'waiting')).knock!
  return gateway.approve(OPERATOR, id, { proofId, psk: key.hex, ...(name && { name }) })
}

/** The code of the GatewayError that a promise fails with. */
export async function codeOf(promise: Promise<unknown>): Promise<string> {
  const outcome = await promise.then(
    (value) => new Error(`it did not fail: ${JSON.stringify(value)}`),
    (error: unknown) => error,
  )
  if (outcome instanceof GatewayError) return outcome.code
  throw outcome
}

/** Waits until a device is in a state. */
export async function untilState(gateway: Gateway, id: string, state: DeviceState): Promise<Device> {
  await until(() => gateway.devices().find((device) => device.id === id)?.state === state)
  return gateway.device(id)
}

export { deviceNumber }
