import { randomBytes } from 'node:crypto'
import type { Actor } from '../actor.js'
import type { DeviceUpdates } from '../contract/device.js'
import type { Rollout, RolloutDetail, RolloutDevice, RolloutSettings, RolloutTarget } from '../contract/rollouts.js'
import type { AuditedCommands } from '../devices/audited.js'
import { GatewayError } from '../errors.js'
import type { RolloutBody } from '../operations.js'
import type { AuditEvent } from '../store/registry.js'
import type { Store } from '../store/store.js'
import type { GatewayTime } from '../time.js'
import { nextRow } from './device-row.js'
import type { RolloutDriver } from './driver.js'
import type { Images } from './images.js'
import { LiveRollout } from './live-rollout.js'
import { pausedRecord, resumedRecord, retriedRecord } from './plan.js'
import type { RolloutRecord } from './records.js'
import { describeTarget, mayOverlap, targetFilter } from './targets.js'

/** Roll-outs that are kept; the oldest that are over give way. */
const MAX_ROLLOUTS = 50
/** ms */
const DEFAULT_SOAK = 600_000

interface Services {
  readonly store: Pick<Store, 'rollouts' | 'rolloutDevices'>
  readonly commands: AuditedCommands
  readonly time: GatewayTime
  readonly images: Images
  readonly driver: RolloutDriver
}

type Command = 'pause' | 'resume' | 'abort' | 'retry'

/** What people do with roll-outs; each command is written with its audit entry, and then carried out by the driver. */
export class Rollouts {
  readonly #services: Services

  constructor(services: Services) {
    this.#services = services
  }

  /** Newest first. */
  get all(): readonly Rollout[] {
    const { driver } = this.#services
    const fleet = driver.fleet()
    return driver.all.map((live) => driver.view(live, fleet))
  }

  /** @throws GatewayError NOT_FOUND */
  detail(id: string): RolloutDetail {
    return this.#services.driver.detail(id)
  }

  /** One row of the list; undefined if it is gone. */
  find(id: string): Rollout | undefined {
    const live = this.#services.driver.find(id)
    return live && this.#services.driver.view(live)
  }

  /** Devices of a roll-out, without those that are not in it any more. */
  devices(id: string, deviceIds: readonly string[]): readonly RolloutDevice[] {
    const { driver } = this.#services
    const fleet = driver.fleet()
    return deviceIds.flatMap((deviceId) => driver.device(id, deviceId, fleet) ?? [])
  }

  /** What a device tells of its updates; undefined: nothing yet. Null: it takes none. */
  updatesOf(deviceId: string): DeviceUpdates | null | undefined {
    const { driver } = this.#services
    const report = driver.reports.report(deviceId)
    if (!report) return report
    const { product, chip, version, counter, sha256, state, rollback, keys } = report
    const rollout = driver.rolloutOf(deviceId)?.id ?? null
    return { product, chip, version, counter, sha256, state, rollback, keys: [...keys], rollout }
  }

  /** Whether a roll-out needs an image: one that is not over. */
  isUsed(imageId: string): boolean {
    return this.#services.driver.all.some(({ record, isLive }) => isLive && record.image.id === imageId)
  }

  /** @throws GatewayError NOT_FOUND, WRONG_STATE, INVALID, FORBIDDEN, STORE_FAILED */
  start(actor: Actor, body: RolloutBody<'startRollout'>): Promise<Rollout> {
    const { commands, driver } = this.#services
    const command = { action: 'rollout.start', object: '', role: 'admin' } as const
    return commands.change(actor, command, (event) =>
      driver.exclusively(async () => {
        const id = `${this.#services.time.now().toString(36)}-${randomBytes(4).toString('hex')}`
        const record = this.#recordOf(actor, body)
        this.#assertFree(record)
        await this.#makeRoom()
        const { image, target, name } = record
        const detail = `${name}: ${image.product} ${image.version} for ${describeTarget(target)}`
        // First, as one that could not be begun must not begin at the next start of the gateway.
        await this.#closeOthers(record)
        const live = await this.#create(id, record, { ...event, object: id, detail })
        driver.add(live)
        return driver.view(live)
      }),
    )
  }

  pause(actor: Actor, id: string, { rev, reason }: RolloutBody<'pauseRollout'>): Promise<Rollout> {
    return this.#change(actor, id, rev, 'pause', reason, (live, now) => {
      const { state } = live.record
      if (state === 'paused' || state === 'aborted' || live.record.closed) throw wrongState(live, 'paused')
      return pausedRecord(live.record, reason ?? `paused by ${actor.name}`, now, false)
    })
  }

  resume(actor: Actor, id: string, { rev }: RolloutBody<'resumeRollout'>): Promise<Rollout> {
    return this.#change(actor, id, rev, 'resume', undefined, (live, now) => {
      if (live.record.state !== 'paused') throw wrongState(live, 'resumed')
      return resumedRecord(live.record, live.rows.values(), now)
    })
  }

  abort(actor: Actor, id: string, { rev, reason }: RolloutBody<'abortRollout'>): Promise<Rollout> {
    return this.#change(actor, id, rev, 'abort', reason, (live, now) => {
      if (live.record.state === 'aborted') throw wrongState(live, 'aborted')
      const why = reason ?? `aborted by ${actor.name}`
      const over = { state: 'aborted', heldIn: null, heldByRule: false, soakUntil: null, closed: true } as const
      return { ...live.record, ...over, since: now, reason: why }
    })
  }

  /** Tries devices that failed once more. @throws GatewayError NOT_FOUND, CONFLICT, WRONG_STATE, FORBIDDEN, STORE_FAILED */
  retry(actor: Actor, id: string, { rev, ids }: RolloutBody<'retryRollout'>): Promise<Rollout> {
    const { commands, driver, time } = this.#services
    const command = { action: 'rollout.retry', object: id, role: 'admin' } as const
    return commands.change(actor, command, (event) =>
      driver.exclusively(async () => {
        const live = driver.get(id)
        live.assertSeen(rev)
        if (live.record.state === 'aborted' || live.record.closed) throw wrongState(live, 'tried again')
        const rows = new Map(
          [...live.rows].flatMap(([deviceId, row]) => {
            const next = nextRow(row, { type: 'retry' }, live.record.image, time.now())
            return next === row || (ids && !ids.includes(deviceId)) ? [] : [[deviceId, next] as const]
          }),
        )
        if (rows.size === 0) {
          throw new GatewayError(
            'WRONG_STATE',
            'None of these devices has failed in this roll-out, or waits for its next try.',
          )
        }
        const rollout = retriedRecord(live.record, new Map([...live.rows, ...rows]).values())
        const detail = rows.size === 1 ? [...rows.keys()][0]! : `${rows.size} devices`
        await live.commit({ rows, rollout, audit: { ...event, detail } }, true)
        return driver.view(live)
      }),
    )
  }

  #change(
    actor: Actor,
    id: string,
    rev: number,
    command: Command,
    detail: string | undefined,
    change: (live: LiveRollout, now: number) => RolloutRecord,
  ): Promise<Rollout> {
    const { commands, driver, time } = this.#services
    const role = command === 'resume' ? 'admin' : 'operator'
    return commands.change(actor, { action: `rollout.${command}`, object: id, role }, (event) =>
      driver.exclusively(async () => {
        const live = driver.get(id)
        live.assertSeen(rev)
        const rollout = change(live, time.now())
        await live.commit({ rollout, audit: { ...event, ...(detail && { detail }) } }, true)
        driver.onCommand(live)
        return driver.view(live)
      }),
    )
  }

  #recordOf(actor: Actor, body: RolloutBody<'startRollout'>): RolloutRecord {
    const now = this.#services.time.now()
    const image = this.#services.images.get(body.image)
    const settings = this.#settingsOf(body)
    return {
      name: body.name ?? `${image.name || image.product} ${image.version}`.slice(0, 64),
      image,
      target: body.target,
      settings,
      state: settings.canary > 0 ? 'canary' : 'wave',
      stage: settings.canary > 0 ? 0 : 1,
      since: now,
      createdAt: now,
      createdBy: actor.name,
      reason: null,
      soakUntil: null,
      heldIn: null,
      heldByRule: false,
      forgiven: {},
      closed: false,
    }
  }

  /** What is left out has its default. @throws GatewayError INVALID */
  #settingsOf({ target, settings = {} }: RolloutBody<'startRollout'>): RolloutSettings {
    const {
      canary = this.#defaultCanary(target),
      pauseAfterCanary = true,
      soak = DEFAULT_SOAK,
      waves = [5, 25, 100],
      maxParallel = 8,
      window = null,
    } = settings
    const isGrowing = waves.every((share, i) => i === 0 || share > waves[i - 1]!)
    if (!isGrowing || waves.at(-1) !== 100) {
      throw new GatewayError('INVALID', 'The shares of the waves must grow, and the last one must be 100.', {
        hint: 'As 5, 25, 100.',
      })
    }
    if (window && window.from === window.to) {
      throw new GatewayError('INVALID', 'A window that ends when it begins is none.', {
        hint: 'Leave the window out to update at any time.',
      })
    }
    return { canary, pauseAfterCanary, soak, waves, maxParallel, window }
  }

  /** 1 % of the targets, 1 to 10. */
  #defaultCanary(target: RolloutTarget): number {
    const isTarget = targetFilter(target)
    const targets = [...this.#services.driver.fleet()].filter(([id, { group }]) => isTarget(id, group))
    return Math.min(10, Math.max(1, Math.ceil(targets.length / 100)))
  }

  /** @throws GatewayError WRONG_STATE if another roll-out may be for the same devices */
  #assertFree({ image, target }: RolloutRecord): void {
    const other = this.#services.driver.all.find(
      ({ record }) => isActive(record) && isSameKind(record, image) && mayOverlap(record.target, target),
    )
    if (!other) return
    const { name, target: others } = other.record
    throw new GatewayError('WRONG_STATE', `The roll-out "${name}" is not over, and is for ${describeTarget(others)}.`, {
      hint: 'Wait for it, or abort it.',
    })
  }

  /** Those that are through take no late devices any more: these are of the new one. */
  async #closeOthers({ image, target }: RolloutRecord): Promise<void> {
    for (const live of this.#services.driver.all) {
      const { record } = live
      if (record.closed || !isSameKind(record, image) || !mayOverlap(record.target, target)) continue
      await live.commit({ rollout: { ...record, closed: true } })
      this.#services.driver.onCommand(live)
    }
  }

  async #create(id: string, record: RolloutRecord, audit: AuditEvent): Promise<LiveRollout> {
    const { store } = this.#services
    return new LiveRollout(store, await store.rollouts.cas(id, 0, record, audit))
  }

  /** @throws GatewayError WRONG_STATE if all that are kept are not over */
  async #makeRoom(): Promise<void> {
    const { driver } = this.#services
    const old = driver.all.filter((live) => !live.isLive || !isActive(live.record)).reverse()
    while (driver.all.length >= MAX_ROLLOUTS) {
      const oldest = old.shift()
      if (!oldest) {
        throw new GatewayError('WRONG_STATE', `There are ${MAX_ROLLOUTS} roll-outs that are not over.`, {
          hint: 'Abort those that you do not need.',
        })
      }
      await oldest.remove()
      driver.drop(oldest.id)
    }
  }
}

function isActive({ state, closed }: RolloutRecord): boolean {
  return !closed && state !== 'done' && state !== 'aborted'
}

function isSameKind({ image }: RolloutRecord, { product, chip }: { product: string; chip: string }): boolean {
  return image.product === product && image.chip === chip
}

function wrongState({ record }: LiveRollout, what: string): GatewayError {
  const is = record.closed && record.state === 'done' ? 'replaced by another one' : record.state
  return new GatewayError('WRONG_STATE', `A roll-out that is ${is} cannot be ${what}.`)
}
