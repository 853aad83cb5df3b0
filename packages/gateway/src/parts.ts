import { listen, nodeClock, type Server } from '@usmp/node'
import { ByteRate } from '@usmp/ota'
import { type AlarmChange, Alarms } from './alarms/alarms.js'
import { Webhook } from './alarms/webhook.js'
import { GatewayAnnouncement } from './announcement.js'
import { Broker } from './broker.js'
import { type AlarmRule, type Device, MAX_IDLE_LIMIT, type Reading } from './contract/device.js'
import type { StoreLink } from './contract/system.js'
import { Counters, type Limit } from './counters.js'
import { Approval } from './devices/approval.js'
import { AuditedCommands } from './devices/audited.js'
import type { ManagedDevice } from './devices/device.js'
import { DeviceDirectory } from './devices/directory.js'
import { JoinWindow } from './devices/join-window.js'
import { DeviceKeys } from './devices/keys.js'
import { Knocks } from './devices/knocks.js'
import { Registration } from './devices/registration.js'
import type { DeviceServices } from './devices/services.js'
import { DeviceSessions, type UpdateListener } from './devices/sessions.js'
import { viewOf } from './devices/view.js'
import { WaitingList } from './devices/waiting-list.js'
import { Withdrawal } from './devices/withdrawal.js'
import { LiveFeed, type LiveTopics } from './live.js'
import type { GatewayOptions } from './options.js'
import { RequestConsole } from './requests/console.js'
import { RequestHistory } from './requests/history.js'
import { type DriverEvents, RolloutDriver } from './rollouts/driver.js'
import { Images } from './rollouts/images.js'
import { Rollouts } from './rollouts/rollouts.js'
import { Telemetry } from './telemetry/telemetry.js'
import { type Cancel, GatewayTime } from './time.js'

export const DEFAULT_SITE = 'home'
/** Connections at once, in all and from one address: a program may bring a thousand devices from one machine. */
const MAX_CONNECTIONS = 5_000
const MAX_CONNECTIONS_PER_ADDRESS = 2_000

/** Between two notes of when devices were last seen, and from the end of a session to its note, ms. */
const NOTE_PERIOD = 300_000
const NOTE_SOON = 10_000
const CLOCK_PERIOD = 1_000
const BLOCKS_PERIOD = 30_000

/**
 * Makes the parts of a gateway and tells each of them what it has to know of the others; starts and ends them in order. It decides
 * nothing: a change of a device goes to the live feed and to the alarms, readings go the same way, a session goes to its device.
 */
export class GatewayParts implements DeviceServices {
  readonly options: GatewayOptions
  readonly site: string
  readonly time: GatewayTime
  readonly limits = new Counters<Limit>()
  readonly commands: AuditedCommands
  readonly keys: DeviceKeys
  readonly directory: DeviceDirectory
  readonly join: JoinWindow
  readonly waiting: WaitingList
  readonly knocks: Knocks
  readonly telemetry: Telemetry
  readonly alarms: Alarms
  readonly live: LiveFeed
  readonly images: Images
  readonly driver: RolloutDriver
  readonly rollouts: Rollouts
  readonly updateRate: ByteRate | undefined
  readonly console: RequestConsole
  readonly history = new RequestHistory()
  readonly approval: Approval
  readonly registration: Registration
  readonly withdrawal: Withdrawal
  server!: Server
  sessions!: DeviceSessions
  broker!: Broker
  announcement: GatewayAnnouncement | undefined
  store: StoreLink
  readonly #webhook: Webhook | undefined
  readonly #closed = new AbortController()
  #cancels: readonly Cancel[] = []
  #noting: Cancel | undefined

  /** @throws GatewayError INVALID; UsmpError for a master key that is none */
  constructor(options: GatewayOptions) {
    const { store, webhook, masterKey, clock = nodeClock, now = Date.now, site = DEFAULT_SITE } = options
    this.options = options
    this.site = site
    this.time = new GatewayTime(clock, now)
    this.store = { state: 'ok', since: this.time.now(), reason: null }
    const { time, limits } = this
    const onChange = (deviceId: string) => this.#onDevice(deviceId)
    this.#webhook = webhook && new Webhook(webhook, time, limits)
    this.commands = new AuditedCommands(store.audit)
    this.keys = new DeviceKeys(store.keys, masterKey)
    this.directory = new DeviceDirectory(store.devices, time, {
      onChange,
      onDismissed: (deviceId) => void this.disconnect(deviceId),
    })
    this.join = new JoinWindow(time, () => this.#onJoin())
    this.waiting = new WaitingList(time, (id) => this.directory.setWaits(id, this.waiting.has(id)))
    const { directory, join, waiting, keys } = this
    const onKnockWhileClosed = () => this.live.onTopic('knocks')
    this.knocks = new Knocks({ directory, waiting, join, keys, limits, onKnockWhileClosed, onChange })
    this.telemetry = new Telemetry({
      store: store.telemetry,
      time,
      limits,
      onReadings: (deviceId, changed) => this.#onReadings(deviceId, changed),
    })
    this.alarms = new Alarms(time, (change) => this.#onAlarm(change))
    this.live = this.#makeFeed()
    this.images = new Images({
      registry: store.images,
      commands: this.commands,
      time,
      folder: options.images,
      publisherKeys: options.publisherKeys ?? [],
      isUsed: (id) => this.rollouts.isUsed(id),
      exclusively: (work) => this.driver.exclusively(work),
      onChange: () => this.live.onTopic('images'),
    })
    const { images, commands } = this
    this.driver = new RolloutDriver({ store, time, directory, images, events: this.#rolloutEvents() })
    this.updateRate =
      options.updateRate === undefined ? undefined : new ByteRate({ clock, bytesPerSecond: options.updateRate })
    this.rollouts = new Rollouts({ store, commands, time, images, driver: this.driver })
    this.console = new RequestConsole(time)
    this.approval = new Approval(this)
    this.registration = new Registration(this)
    this.withdrawal = new Withdrawal(this)
  }

  /**
   * Reads the store, listens, and reaches for the broker.
   * @throws GatewayError STORE_FAILED; UsmpError of the options, or TRANSPORT_FAILED if a port cannot be had
   */
  async start(): Promise<void> {
    const { time, limits, directory, telemetry, knocks, options } = this
    options.store.onState((reason) => this.#onStore(reason))
    void directory
      .follow(this.#closed.signal)
      .catch((error) => this.#warn('changes of the store are not followed', error))
    await directory.load()
    await this.images.load()
    await this.driver.start()
    const lost = directory.all.filter(({ record }) => record?.state === 'approved' && record.keySource === 'master')
    if (lost.length > 0 && !options.masterKey) {
      this.#warn(`${lost.length} devices were approved by a master key, which is not given now: they cannot come in`)
    }
    this.server = await this.#listen()
    const { server } = this
    server.addEventListener('refused', (event) => knocks.onRefused(event))
    server.addEventListener('warning', ({ message, cause }) => this.#warn(message, cause))
    const onChange = (deviceId: string) => this.#onDevice(deviceId)
    const onEnded = () => this.#noteSoon()
    const { driver } = this
    const updates: UpdateListener = {
      onLink: (deviceId, link) => driver.onLink(deviceId, link),
      onEnded: (deviceId, link) => driver.onEnded(deviceId, link),
      onUpdate: (deviceId, link, event) => driver.onUpdate(deviceId, link, event),
    }
    const { updateRate } = this
    this.sessions = new DeviceSessions({
      server,
      time,
      directory,
      telemetry,
      limits,
      onChange,
      onEnded,
      updates,
      updateRate,
    })
    this.broker = new Broker(server, options.mqtt, this.site, time, {
      isKnown: (deviceId) => directory.find(deviceId)?.mayConnect ?? false,
      onWill: (deviceId) => directory.find(deviceId)?.link?.presence.suspect(),
      onChange: () => this.#onBroker(),
    })
    this.announcement = await GatewayAnnouncement.start(options, server, this.site, (message) => this.#warn(message))
    this.#cancels = [
      time.every(NOTE_PERIOD, () => void this.#note()),
      time.every(CLOCK_PERIOD, () => {
        if (time.findJump()) telemetry.onClockJump()
        this.join.closeIfOver()
      }),
      time.every(BLOCKS_PERIOD, () => void this.withdrawal.endBlocks().catch(() => {})),
    ]
  }

  /** Ends sessions with a BYE, writes what is to be kept, and wipes keys. Never rejects. */
  async close(): Promise<void> {
    for (const cancel of this.#cancels) cancel()
    this.join.close()
    await this.driver.close()
    // None of them is there after a start that failed.
    await this.announcement?.close()
    await this.server?.close()
    await this.broker?.close()
    this.#noting?.()
    await this.#note()
    await this.telemetry.close()
    this.alarms.close()
    this.#webhook?.close()
    this.live.close()
    this.waiting.clear()
    this.keys.close()
    this.#closed.abort()
  }

  // ─── what the commands on devices need ───

  readonly describe = (deviceId: string): Device => this.view(this.directory.get(deviceId))

  /** A device as people see it. */
  view(device: ManagedDevice): Device {
    const { id } = device
    const [knock, readings] = [this.waiting.view(id), this.telemetry.readings(id)]
    const updates = this.rollouts.updatesOf(id)
    return viewOf(device, { knock, readings, alarms: [...this.alarms.active(id)], updates })
  }

  readonly disconnect = (deviceId: string): Promise<void> => this.server.disconnect(deviceId)

  readonly hint = (deviceId: string): void => {
    this.server.unlock(deviceId)
    this.broker.hint(deviceId)
  }

  readonly onReplaced = (from: string, to: string): void => {
    this.telemetry.move(from, to)
    this.history.move(from, to)
    this.#onDevice(from)
  }

  readonly onRemoved = async (deviceId: string, history: string | undefined): Promise<void> => {
    this.history.remove(deviceId)
    // The device is gone already; what is left of its minutes goes within a week.
    await this.telemetry.remove(deviceId, history).catch((error) => this.#warn('minutes were not removed', error))
  }

  // ─── who hears of what ───

  #onDevice(deviceId: string): void {
    this.live.onDevice(deviceId)
    this.driver.onDevice(deviceId)
    const device = this.directory.find(deviceId)
    this.alarms.onDevice({ id: deviceId, rules: rulesOf(device), state: device?.state ?? null })
  }

  #onReadings(deviceId: string, changed: ReadonlyMap<string, Reading>): void {
    this.live.onReadings(deviceId, changed)
    const rules = rulesOf(this.directory.find(deviceId))
    if (rules.length > 0) this.alarms.onReadings({ id: deviceId, rules }, changed)
  }

  #onAlarm({ type, deviceId, alarm }: AlarmChange): void {
    this.live.onDevice(deviceId)
    const name = this.directory.find(deviceId)?.name ?? ''
    this.#webhook?.send({ type, at: this.time.now(), site: this.site, device: { id: deviceId, name }, ...alarm })
  }

  #onJoin(): void {
    this.live.onTopic('join')
    this.announcement?.setJoinOpen(this.join.remaining > 0)
  }

  #onBroker(): void {
    // It may tell of its state before it has been kept.
    queueMicrotask(() => {
      for (const device of this.directory.all) {
        const { state } = device
        device.setBrokerReachable(this.broker.isReachable)
        if (device.state !== state) this.#onDevice(device.id)
      }
      this.live.onTopic('broker')
    })
  }

  #onStore(reason: string | null): void {
    this.store = { state: reason === null ? 'ok' : 'read-only', since: this.time.now(), reason }
    this.live.onTopic('store')
  }

  #rolloutEvents(): DriverEvents {
    return {
      onRollout: (id) => this.live.onRollout(id),
      onDevice: (id, deviceId) => {
        this.live.onRolloutDevice(id, deviceId)
        this.live.onDevice(deviceId)
      },
      onRemoved: () => this.live.onTopic('rollouts'),
      onWarning: (message, cause) => this.#warn(message, cause),
    }
  }

  #makeFeed(): LiveFeed {
    const topics: LiveTopics = {
      join: () => ({ type: 'join', join: this.join.view() }),
      broker: () => ({ type: 'broker', broker: this.broker.view() }),
      store: () => ({ type: 'store', store: this.store }),
      knocks: () => ({ type: 'knocks', whileClosed: this.knocks.whileClosed }),
      rollouts: () => ({ type: 'rollouts', rollouts: [...this.rollouts.all] }),
      images: () => ({ type: 'images', images: [...this.images.all] }),
    }
    return new LiveFeed({
      time: this.time,
      topics,
      snapshot: () => ({
        type: 'snapshot',
        now: this.time.now(),
        devices: this.directory.all.map((device) => this.view(device)),
        join: this.join.view(),
        broker: this.broker.view(),
        store: this.store,
        knocksWhileClosed: this.knocks.whileClosed,
      }),
      rollout: (id) => this.rollouts.find(id),
      rolloutDevices: (id, deviceIds) => this.rollouts.devices(id, deviceIds),
      describe: (id) => {
        const device = this.directory.find(id)
        return device?.state ? { type: 'device', device: this.view(device) } : { type: 'removed', id }
      },
    })
  }

  // ─── the server and the store ───

  #listen(): Promise<Server> {
    const { tcp = false, udp, websocket, serial, clock } = this.options
    return listen({
      tcp,
      ...(udp && { udp }),
      ...(websocket && { websocket }),
      ...(serial && { serial }),
      ...(clock && { clock }),
      psk: (deviceId) => this.#keyOf(deviceId),
      onUnproven: (attempt) => this.knocks.onUnproven(attempt),
      // The gateway judges silence by itself, for each device by its own limit.
      idleTimeout: MAX_IDLE_LIMIT,
      maxConnections: MAX_CONNECTIONS,
      maxConnectionsPerAddress: MAX_CONNECTIONS_PER_ADDRESS,
    })
  }

  #keyOf(deviceId: string): Uint8Array | null {
    const device = this.directory.find(deviceId)
    return this.keys.find(deviceId, device?.mayConnect ? device.record : undefined)
  }

  #noteSoon(): void {
    this.#noting ??= this.time.after(NOTE_SOON, () => void this.#note())
  }

  async #note(): Promise<void> {
    this.#noting = undefined
    // The store tells of its failure by itself, and the next note has the same.
    await this.directory.noteSeen().catch(() => {})
  }

  #warn(message: string, cause?: unknown): void {
    this.options.onWarning?.(message, cause)
  }
}

function rulesOf(device: ManagedDevice | undefined): readonly AlarmRule[] {
  return device?.record?.state === 'approved' ? device.record.alarmRules : []
}
