import { type Session, type Transport, UsmpError } from '@usmp/core'
import { brokerAcl } from '@usmp/mqtt'
import type { AcceptOptions } from '@usmp/node'
import manifest from '../package.json' with { type: 'json' }
import type { Actor } from './actor.js'
import type * as commands from './contract/commands.js'
import type { Device } from './contract/device.js'
import type { LiveMessage } from './contract/live.js'
import type { Image, Rollout, RolloutDetail } from './contract/rollouts.js'
import type { SystemInfo } from './contract/system.js'
import type { Resolution, Series } from './contract/telemetry.js'
import { changesOf } from './devices/changes.js'
import type { Link } from './devices/link.js'
import type { DeviceRecord } from './devices/record.js'
import { GatewayError } from './errors.js'
import type { Body, Operations, RolloutBody } from './operations.js'
import type { GatewayOptions } from './options.js'
import { GatewayParts } from './parts.js'

/** How long a person waits for a round trip, ms. */
const PING_TIMEOUT = 5_000

/**
 * Starts a gateway. It is reached by devices at once, and over a broker as soon as that is there.
 * @throws GatewayError STORE_FAILED, INVALID; UsmpError INVALID_ARGUMENT, WEAK_PSK, TRANSPORT_FAILED if a port cannot be had
 */
export function startGateway(options: GatewayOptions): Promise<Gateway> {
  return Gateway.start(options)
}

/**
 * Takes devices in, and does what people and scripts want with them. Made by {@link startGateway}; see {@link Operations} for the
 * commands. What must not happen: that a device is shown online without a session on which it was heard, or that one without an approval
 * gets a session.
 */
export class Gateway implements Operations {
  readonly #parts: GatewayParts
  readonly #startedAt: number
  #closing: Promise<void> | undefined

  private constructor(parts: GatewayParts) {
    this.#parts = parts
    this.#startedAt = parts.time.now()
  }

  /** What {@link startGateway} does. */
  static async start(options: GatewayOptions): Promise<Gateway> {
    const parts = new GatewayParts(options)
    try {
      await parts.start()
    } catch (error) {
      await parts.close()
      throw error
    }
    return new Gateway(parts)
  }

  /**
   * Takes in a device on a transport that the application brings, as `accept` of a server of @usmp/node does.
   * @throws UsmpError INVALID_ARGUMENT
   */
  accept(transport: Transport, options?: AcceptOptions): Promise<Session | undefined> {
    return this.#parts.server.accept(transport, options)
  }

  /** Ends all sessions with a BYE, and writes what is to be kept. The store stays open. Never rejects. */
  close(): Promise<void> {
    this.#closing ??= this.#parts.close()
    return this.#closing
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  // ─── devices ───

  devices(): readonly Device[] {
    const { directory } = this.#parts
    return directory.all.map((device) => this.#parts.view(device))
  }

  device(id: string): Device {
    return this.#parts.describe(id)
  }

  checkKey(actor: Actor, id: string, body: Body<'checkKey'>) {
    return this.#parts.approval.checkKey(actor, id, body)
  }

  approve(actor: Actor, id: string, body: Body<'approve'>): Promise<Device> {
    return this.#parts.approval.approve(actor, id, body)
  }

  replace(actor: Actor, id: string, body: Body<'replace'>): Promise<Device> {
    return this.#parts.approval.replace(actor, id, body)
  }

  star(actor: Actor, id: string, body: Body<'star'>): Promise<Device> {
    return this.#parts.approval.star(actor, id, body)
  }

  dismiss(actor: Actor, id: string): Promise<void> {
    return this.#parts.approval.dismiss(actor, id)
  }

  register(actor: Actor, body: Body<'register'>): Promise<Device> {
    return this.#parts.registration.register(actor, body)
  }

  importDevices(actor: Actor, body: Body<'importDevices'>) {
    return this.#parts.registration.importDevices(actor, body)
  }

  change(actor: Actor, id: string, { rev, ...settings }: Body<'change'>): Promise<Device> {
    const { commands, directory } = this.#parts
    const change = (record: DeviceRecord): DeviceRecord => ({ ...record, ...given(settings) })
    return commands.change(actor, { action: 'device.change', object: id, role: 'operator' }, async (event) => {
      const device = directory.get(id)
      const detail = changesOf(device.assertSeen(rev).value, given(settings))
      await directory.update(device, rev, change, { ...event, detail })
      return this.device(id)
    })
  }

  revoke(actor: Actor, id: string, body: Body<'revoke'>): Promise<Device> {
    return this.#parts.withdrawal.revoke(actor, id, body)
  }

  remove(actor: Actor, id: string, body: Body<'remove'>): Promise<void> {
    return this.#parts.withdrawal.remove(actor, id, body)
  }

  block(actor: Actor, id: string, body: Body<'block'>): Promise<Device> {
    return this.#parts.withdrawal.block(actor, id, body)
  }

  unblock(actor: Actor, id: string, body: Body<'unblock'>): Promise<void> {
    return this.#parts.withdrawal.unblock(actor, id, body)
  }

  // ─── sessions ───

  ping(actor: Actor, id: string): Promise<{ roundTrip: number }> {
    const { commands, directory } = this.#parts
    return commands.act(
      actor,
      { action: 'device.ping', object: id, role: 'operator' },
      () => linkOf(directory.get(id).link),
      (link) => ping(link.session),
    )
  }

  request(actor: Actor, id: string, body: Body<'request'>): Promise<commands.RequestOutcome> {
    const { commands, directory, console, history, live } = this.#parts
    return commands.act(
      actor,
      { action: 'device.request', object: id, role: 'operator', detail: body.method },
      () => console.check(linkOf(directory.get(id).link), body),
      async (link) => {
        const outcome = await console.send(link, actor, body)
        // It may have been removed meanwhile.
        if (directory.find(id)) history.add(id, outcome)
        live.onRequest(id, outcome)
        return outcome
      },
    )
  }

  requests(id: string): readonly commands.RequestOutcome[] {
    this.#parts.directory.get(id)
    return this.#parts.history.of(id)
  }

  series(
    id: string,
    reading: string,
    options: { resolution: Resolution; from?: number; to?: number },
  ): Promise<Series> {
    const { directory, telemetry } = this.#parts
    const history = directory.get(id).record?.history ?? id
    return telemetry.series({ id, history }, reading, options)
  }

  // ─── the join window ───

  joinWindow(): commands.JoinWindow {
    return this.#parts.join.view()
  }

  openJoin(actor: Actor, body: Body<'openJoin'>): Promise<commands.JoinWindow> {
    const { commands, join, broker } = this.#parts
    const { minutes, count, suffix } = body
    const detail = [`${minutes} min`, count && `${count} devices`, suffix && `ids ending in ${suffix}`]
    return commands.act(
      actor,
      { action: 'join.open', object: '', role: 'operator', detail: detail.filter(Boolean).join(', ') },
      () => {},
      () => {
        join.open(body, actor.name)
        broker.invite()
        return join.view()
      },
    )
  }

  closeJoin(actor: Actor): Promise<commands.JoinWindow> {
    const { commands, join } = this.#parts
    return commands.act(
      actor,
      { action: 'join.close', object: '', role: 'operator' },
      () => {},
      () => {
        join.close()
        return join.view()
      },
    )
  }

  // ─── updates ───

  images(): readonly Image[] {
    return this.#parts.images.all
  }

  addImage(actor: Actor, bundle: AsyncIterable<Uint8Array>): Promise<Image> {
    return this.#parts.images.add(actor, bundle)
  }

  removeImage(actor: Actor, id: string): Promise<void> {
    return this.#parts.images.remove(actor, id)
  }

  rollouts(): readonly Rollout[] {
    return this.#parts.rollouts.all
  }

  rollout(id: string): RolloutDetail {
    return this.#parts.rollouts.detail(id)
  }

  startRollout(actor: Actor, body: RolloutBody<'startRollout'>): Promise<Rollout> {
    return this.#parts.rollouts.start(actor, body)
  }

  pauseRollout(actor: Actor, id: string, body: RolloutBody<'pauseRollout'>): Promise<Rollout> {
    return this.#parts.rollouts.pause(actor, id, body)
  }

  resumeRollout(actor: Actor, id: string, body: RolloutBody<'resumeRollout'>): Promise<Rollout> {
    return this.#parts.rollouts.resume(actor, id, body)
  }

  abortRollout(actor: Actor, id: string, body: RolloutBody<'abortRollout'>): Promise<Rollout> {
    return this.#parts.rollouts.abort(actor, id, body)
  }

  retryRollout(actor: Actor, id: string, body: RolloutBody<'retryRollout'>): Promise<Rollout> {
    return this.#parts.rollouts.retry(actor, id, body)
  }

  // ─── all of it ───

  system(): SystemInfo {
    const { time, site, broker, server, directory, limits, sessions, store } = this.#parts
    return {
      version: manifest.version,
      site,
      startedAt: this.#startedAt,
      now: time.now(),
      listeners: this.#listeners(),
      broker: broker.view(),
      announced: this.#parts.announcement?.view() ?? null,
      store,
      devices: directory.counts,
      sessions: server.sessions.length,
      messages: { ...sessions.totals },
      limits: limits.toObject(),
      dropped: sumOf(server.dropped, broker.dropped),
      clockJumps: [...time.jumps],
      memory: process.memoryUsage.rss(),
    }
  }

  brokerAcl(broker: 'mosquitto' | 'emqx'): string {
    const { options, site } = this.#parts
    if (!options.mqtt) throw new GatewayError('WRONG_STATE', 'This gateway takes no devices over a broker.')
    const { username } = options.mqtt
    try {
      return brokerAcl({ broker, site, ...(username === undefined ? {} : { gatewayUser: username }) })
    } catch (cause) {
      throw new GatewayError('WRONG_STATE', 'The user name of the gateway at its broker fits into no access list.', {
        cause,
        hint: 'Name it with 1 to 64 letters, digits and . _ -, as `gateway`.',
      })
    }
  }

  live(signal: AbortSignal): AsyncIterable<LiveMessage> {
    return this.#parts.live.read(signal)
  }

  #listeners(): SystemInfo['listeners'] {
    const { server, broker, options } = this.#parts
    const listeners: SystemInfo['listeners'] = []
    if (options.tcp) listeners.push({ carrier: 'tcp', address: server.address })
    if (options.udp) listeners.push({ carrier: 'udp', address: server.udpAddress })
    if (options.websocket) listeners.push({ carrier: 'websocket', address: server.websocketUrl })
    if (options.serial) listeners.push({ carrier: 'serial', address: 'a serial port' })
    if (broker.url) listeners.push({ carrier: 'mqtt', address: broker.url })
    return listeners
  }
}

/** @throws GatewayError DEVICE_OFFLINE */
function linkOf(link: Link | undefined): Link {
  if (link) return link
  throw new GatewayError('DEVICE_OFFLINE', 'The device has no session.', {
    hint: 'Nothing is kept for it: try again when it is online.',
  })
}

/** @throws GatewayError REQUEST_TIMEOUT, SESSION_LOST */
async function ping(session: Session): Promise<{ roundTrip: number }> {
  try {
    return { roundTrip: Math.round((await session.ping({ signal: AbortSignal.timeout(PING_TIMEOUT) })) * 100) / 100 }
  } catch (cause) {
    if (cause instanceof UsmpError && cause.code === 'ABORTED') {
      throw new GatewayError('REQUEST_TIMEOUT', `The device did not answer within ${PING_TIMEOUT / 1000} s.`, { cause })
    }
    throw new GatewayError('SESSION_LOST', 'The session ended before the answer.', { cause })
  }
}

/** Without what is undefined. */
function given<T extends object>(settings: T): { [K in keyof T]?: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(settings).filter(([, value]) => value !== undefined)) as never
}

function sumOf(...all: ReadonlyMap<string, number>[]): Record<string, number> {
  const sum = new Map<string, number>()
  for (const counts of all) for (const [name, count] of counts) sum.set(name, (sum.get(name) ?? 0) + count)
  return Object.fromEntries(sum)
}
