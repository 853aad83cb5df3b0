import { Session as CoreSession, type Session, streamTransport, type Transport } from '@usmp/core'
import { ReliableDatagram } from '@usmp/core/datagram'
import { nodeClock, nodeProvider, nodeRandom } from '@usmp/node'
import { type Peer, rpc } from '@usmp/rpc'
import { deviceNumber, SimulatedClock, until } from '@usmp/testing'
import { onTestFinished } from 'vitest'
import type { Actor } from '../../src/actor.js'
import type { Device, DeviceState } from '../../src/contract/device.js'
import { deviceApi, gatewayApi } from '../../src/device-api.js'
import type { Description } from '../../src/devices/link.js'
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

/** A gateway on a real store and simulated time, which listens nowhere; closed when the test ends. */
export async function testGateway(options: Partial<GatewayOptions> = {}, opened?: OpenedStore): Promise<TestGateway> {
  const store = opened ?? (await temporaryStore())
  const clock = new SimulatedClock()
  const test = { store, clock, wallOffset: 1_700_000_000_000 } as { -readonly [K in keyof TestGateway]: TestGateway[K] }
  test.gateway = await startGateway({ store, clock, now: () => test.wallOffset + clock.now(), ...options })
  onTestFinished(() => test.gateway.close())
  return test
}

/** Both ends of a transport in memory. */
export function pair(kind: Transport['kind'] = 'stream', address = 'device'): { near: Transport; far: Transport } {
  const there = new TransformStream<Uint8Array, Uint8Array>()
  const back = new TransformStream<Uint8Array, Uint8Array>()
  const near = streamTransport({ kind, readable: back.readable, writable: there.writable })
  const far = streamTransport({ kind, readable: there.readable, writable: back.writable, address })
  return { near, far }
}

interface DeviceOptions {
  readonly kind?: Transport['kind']
  readonly address?: string
}

/** A device that tries to get a session; rejects if it gets none. */
export async function connectDevice(
  gateway: Gateway,
  id: string,
  psk: Uint8Array,
  { kind = 'stream', address = `at ${id}` }: DeviceOptions = {},
): Promise<Session> {
  const { near, far } = pair(kind, address)
  const accepted = gateway.accept(far, { address })
  const session = CoreSession.connect(near, {
    deviceId: Uint8Array.from(Buffer.from(id.replaceAll(':', ''), 'hex')),
    psk,
    random: nodeRandom,
    provider: nodeProvider,
    clock: nodeClock,
    reliableDatagram: ReliableDatagram,
    keepalive: 0,
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

/** Waits until a device is in a state. */
export async function untilState(gateway: Gateway, id: string, state: DeviceState): Promise<Device> {
  await until(() => gateway.devices().find((device) => device.id === id)?.state === state)
  return gateway.device(id)
}

export { deviceNumber }
