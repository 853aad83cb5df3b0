import type { Gateway } from '@usmp/gateway'
import type { Device, LiveMessage } from '@usmp/gateway/contract'
import type { RunningGateway } from '@usmp/gateway/program'
import type { Fields } from '../output.js'
import { type Line, LineBudget, OncePerMinute, type Tell } from './log-limits.js'

/** Between two looks at what is counted, ms. */
const TICK = 10_000
/** From a change until its commands are read, ms: those of one moment are read together. */
const COMMANDS_PAUSE = 250
/** Commands that are told at once; of more, how many. */
const MAX_COMMANDS = 32

/** Commands that are told, and what they did. */
const DONE: Readonly<Record<string, string>> = {
  'device.register': 'registered',
  'device.import': 'imported',
  'device.approve': 'approved',
  'device.replace': 'put in the place of another one',
  'device.revoke': 'revoked',
  'device.block': 'blocked',
  'device.unblock': 'unblocked',
  'device.remove': 'removed',
}

type Snapshot = Extract<LiveMessage, { type: 'snapshot' }>
type Alarm = Device['alarms'][number]

export interface GatewayLogSource {
  readonly gateway: Pick<Gateway, 'live' | 'system'>
  readonly audit: RunningGateway['audit']
}

/**
 * What happens at a gateway, one line each, for the log of a daemon. Devices cannot flood it: a wrong key is told once a minute a device,
 * and all lines together are bounded. No key is in what it reads.
 */
export class GatewayLog {
  readonly #source: GatewayLogSource
  readonly #lines: LineBudget
  readonly #counts: OncePerMinute
  readonly #stop = new AbortController()
  readonly #devices = new Map<string, Device>()
  #broker: Snapshot['broker'] | undefined
  #storeState = 'ok'
  #isJoinOpen = false
  #knocks = 0
  #limits: Readonly<Record<string, number>> = {}
  /** The newest command that was told. */
  #seq = 0
  #reading: NodeJS.Timeout | undefined
  #timer: NodeJS.Timeout | undefined

  /** @param now a monotonic clock, ms */
  constructor(source: GatewayLogSource, tell: Tell, now: () => number = () => performance.now()) {
    this.#source = source
    this.#lines = new LineBudget(tell, now)
    this.#counts = new OncePerMinute(now)
  }

  /** Tells until {@link stop}. */
  async run(): Promise<void> {
    const [newest] = await this.#source.audit.page({ limit: 1 })
    this.#seq = newest?.seq ?? 0
    this.#timer = setInterval(() => this.tick(), TICK)
    for await (const message of this.#source.gateway.live(this.#stop.signal)) this.#on(message)
  }

  stop(): void {
    this.#stop.abort()
    clearInterval(this.#timer)
    clearTimeout(this.#reading)
  }

  /** Tells what was counted, and how much was left out. */
  tick(): void {
    const { limits } = this.#source.gateway.system()
    for (const [name, count] of Object.entries(limits)) {
      const more = count - (this.#limits[name] ?? 0)
      this.#count(`limit ${name}`, more, (times) => [
        `limit reached: ${name}, ${timesOf(times)}`,
        { event: 'limit', limit: name, count: times },
      ])
    }
    this.#limits = limits
    for (const line of this.#counts.due()) this.#lines.device(...line)
    this.#lines.tellLeftOut()
  }

  #on(message: LiveMessage): void {
    if (message.type === 'snapshot') this.#onSnapshot(message)
    if (message.type === 'device') this.#onDevice(message.device)
    if (message.type === 'removed') this.#onRemoved(message.id)
    if (message.type === 'join') this.#onJoin(message.join)
    if (message.type === 'broker') this.#onBroker(message.broker)
    if (message.type === 'store') this.#onStore(message.store)
    if (message.type === 'knocks') this.#onKnocks(message.whileClosed)
  }

  #onSnapshot({ devices, join, broker, store, knocksWhileClosed }: Snapshot): void {
    this.#onBroker(broker)
    this.#onStore(store)
    this.#onJoin(join)
    this.#onKnocks(knocksWhileClosed)
    const ids = new Set(devices.map(({ id }) => id))
    for (const id of this.#devices.keys()) if (!ids.has(id)) this.#onRemoved(id)
    for (const device of devices) this.#onDevice(device)
  }

  // ─── devices ───

  #onDevice(device: Device): void {
    const before = this.#devices.get(device.id)
    this.#devices.set(device.id, device)
    if (before?.rev !== device.rev) this.#readCommandsSoon()
    if (before?.state !== device.state) this.#onState(device)
    this.#onAlarms(device, before?.alarms ?? [])
    this.#onAttempts(device, before?.attempts?.count ?? 0)
  }

  #onState(device: Device): void {
    const { state, session, knock } = device
    const way = session ?? knock
    const fields = way && { carrier: way.carrier, address: way.address }
    const from = way ? `, from ${way.address}` : ''
    if (state === 'online') this.#device(device, 'online', `online${from}`, fields)
    if (state === 'offline') this.#device(device, 'offline', 'offline')
    if (state === 'waiting') this.#device(device, 'knock', `waits for its approval${from}`, fields)
  }

  #onAlarms(device: Device, before: readonly Alarm[]): void {
    const isIn = (alarms: readonly Alarm[], alarm: Alarm) => alarms.some((one) => ruleOf(one) === ruleOf(alarm))
    for (const alarm of device.alarms) {
      if (isIn(before, alarm)) continue
      const value = alarm.value === null ? '' : `, it is ${alarm.value}`
      this.#device(device, 'alarm', `alarm: ${ruleOf(alarm)}${value}`, { rule: alarm.rule, value: alarm.value })
    }
    for (const alarm of before) {
      if (!isIn(device.alarms, alarm))
        this.#device(device, 'alarm-over', `alarm over: ${ruleOf(alarm)}`, { rule: alarm.rule })
    }
  }

  #onAttempts({ id, state, attempts }: Device, before: number): void {
    if (!attempts) return
    const isKnown = state !== 'revoked' && state !== 'blocked'
    const what = isKnown ? 'wrong key' : `not let in, as it is ${state}`
    // The count begins anew when a device gets another key.
    const more = attempts.count >= before ? attempts.count - before : attempts.count
    const event = isKnown ? 'wrong-key' : 'not-let-in'
    this.#count(`attempts ${id}`, more, (count) => [
      `${id}: ${what}, ${timesOf(count)}, last from ${attempts.lastAddress}`,
      { event, device_id: id, count, address: attempts.lastAddress },
    ])
  }

  #onRemoved(id: string): void {
    this.#devices.delete(id)
    this.#readCommandsSoon()
  }

  #device({ id, name }: Device, event: string, text: string, fields: Fields | null = {}): void {
    const who = name === '' ? id : `${id} ${JSON.stringify(name)}`
    this.#lines.device(`${who}: ${text}`, { event, device_id: id, name, ...fields })
  }

  // ─── the gateway itself ───

  #onJoin({ open, until, openedBy }: Snapshot['join']): void {
    if (open === this.#isJoinOpen) return
    this.#isJoinOpen = open
    if (!open) return this.#lines.gateway('the join window is closed', { event: 'join', open })
    const end = until === null ? '' : ` until ${new Date(until).toISOString()}`
    this.#lines.gateway(`the join window is open${end}, by ${openedBy}`, { event: 'join', open, until, by: openedBy })
  }

  #onBroker(broker: Snapshot['broker']): void {
    const { state, url, reason } = broker
    const before = this.#broker
    // Attempts in between say nothing new.
    if (state === 'none' || state === 'connecting' || (before?.state === state && before.reason === reason)) return
    this.#broker = broker
    const fields = { event: 'broker', connected: state === 'connected', url, reason }
    if (state === 'connected') this.#lines.gateway(`the broker ${url} is reached${before ? ' again' : ''}`, fields)
    else
      this.#lines.gateway(
        `the broker ${url} is ${before?.state === 'connected' ? 'lost' : 'not reached'}: ${reason}`,
        fields,
      )
  }

  #onStore({ state, reason }: Snapshot['store']): void {
    if (state === this.#storeState) return
    this.#storeState = state
    const text = state === 'ok' ? 'the store can be written again' : `the store is read-only: ${reason}`
    this.#lines.gateway(text, { event: 'store', state, reason })
  }

  #onKnocks(count: number): void {
    const more = count - this.#knocks
    this.#knocks = count
    this.#count('knocks', more, (knocks) => [
      `unknown devices knocked ${timesOf(knocks)} while the join window was closed`,
      { event: 'knocks-while-closed', count: knocks },
    ])
  }

  // ─── commands of people ───

  #readCommandsSoon(): void {
    this.#reading ??= setTimeout(() => {
      this.#reading = undefined
      // The store tells of its failure by itself.
      void this.#readCommands().catch(() => {})
    }, COMMANDS_PAUSE)
  }

  async #readCommands(): Promise<void> {
    const newest = await this.#source.audit.page({ limit: MAX_COMMANDS })
    const entries = newest.filter(({ seq }) => seq > this.#seq).reverse()
    const [first, last] = [entries[0], entries.at(-1)]
    if (!first || !last) return
    const missed = first.seq - this.#seq - 1
    this.#seq = last.seq
    if (missed > 0) {
      this.#lines.gateway(`${missed} entries of the audit log are not told here`, { event: 'audit', missed })
    }
    for (const { action, object, actor, detail, result } of entries) {
      const done = DONE[action]
      if (!done || result !== 'ok') continue
      const what = object === '' ? `devices were ${done}` : `${object} was ${done}`
      const more = detail === '' ? '' : `: ${detail}`
      this.#lines.gateway(`${what} by ${actor}${more}`, { event: action, device_id: object, by: actor, detail })
    }
  }

  #count(key: string, more: number, lineOf: (count: number) => Line): void {
    const line = more > 0 ? this.#counts.add(key, more, lineOf) : undefined
    if (line) this.#lines.device(...line)
  }
}

function ruleOf({ rule }: Alarm): string {
  return rule.kind === 'offline' ? `offline for ${rule.after / 1000} s` : `${rule.reading} ${rule.kind} ${rule.limit}`
}

function timesOf(count: number): string {
  return count === 1 ? 'once' : `${count} times`
}
