import { isDeepStrictEqual } from 'node:util'
import type { DeviceState } from '../contract/device.js'
import { DEFAULT_IDLE_LIMIT } from '../contract/device.js'
import { GatewayError } from '../errors.js'
import type { Entry } from '../store/registry.js'
import type { GatewayTime } from '../time.js'
import type { Description, Link } from './link.js'
import type { DeviceRecord } from './record.js'
import { stateOf } from './state.js'

type Attempts = NonNullable<DeviceRecord['attempts']>

/**
 * One device as the gateway knows it: the stored record, the session, and what follows from both. It is the only owner of the device's
 * state. Commands change the record in the store first and then `setEntry`; sessions come by `setLink` and `onHeard`.
 *
 * What must not happen: that a device is online for any other reason than a session on which it was heard.
 */
export class ManagedDevice {
  readonly id: string
  readonly #time: GatewayTime
  #entry: Entry<DeviceRecord> | undefined
  /** The revision of the last change that people see; later ones only noted when the device was seen. */
  #decidedRev = 0
  #waits = false
  #barred = false
  #heldOut = false
  #link: Link | undefined
  /** For a record that does not say it yet. */
  #firstSeenAt: number | null = null
  #lastSeenAt: number | null = null
  #attempts: Attempts | null = null
  #unreachable = false
  #description: Description = {}
  #state: DeviceState | null = null
  #since: number

  constructor(id: string, time: GatewayTime) {
    this.id = id
    this.#time = time
    this.#since = time.now()
  }

  /** The stored record with its revision; undefined while nothing is stored. */
  get entry(): Entry<DeviceRecord> | undefined {
    return this.#entry
  }

  get record(): DeviceRecord | undefined {
    return this.#entry?.value
  }

  get link(): Link | undefined {
    return this.#link
  }

  /** Whether a session of it may begin. */
  get mayConnect(): boolean {
    return this.record?.state === 'approved' && !this.#barred && !this.#heldOut
  }

  /** See {@link setHeldOut}. */
  get isHeldOut(): boolean {
    return this.#heldOut
  }

  /** Null once there is neither a record nor a row that waits. */
  get state(): DeviceState | null {
    return this.#state
  }

  /** Since when it is in this state: a date. */
  get since(): number {
    return this.#since
  }

  get lastSeenAt(): number | null {
    return this.#link?.isHeard ? this.#link.lastHeardAt : this.#lastSeenAt
  }

  get firstSeenAt(): number | null {
    return this.record?.firstSeenAt ?? this.#firstSeenAt
  }

  get attempts(): Attempts | null {
    return this.#attempts
  }

  get idleLimit(): number {
    return this.record?.idleLimit ?? DEFAULT_IDLE_LIMIT
  }

  get name(): string {
    return this.record?.name || (this.#description.name ?? '')
  }

  get description(): Description {
    return this.#description
  }

  /**
   * Checks that a command is about the device as it is.
   * @param rev the revision that the command names
   * @throws GatewayError NOT_FOUND if nothing is stored, CONFLICT
   */
  assertSeen(rev: number): Entry<DeviceRecord> {
    const entry = this.#entry
    if (!entry) throw new GatewayError('NOT_FOUND', `There is no device ${this.id}.`)
    if (rev >= this.#decidedRev && rev <= entry.rev) return entry
    throw new GatewayError('CONFLICT', 'Somebody else has changed this device meanwhile.', {
      hint: 'Look at it again, then repeat the change.',
    })
  }

  /** The record is this one now; undefined: there is none. */
  setEntry(entry: Entry<DeviceRecord> | undefined): void {
    const before = this.#entry?.value
    if (entry && !isNote(before, entry.value)) this.#decidedRev = entry.rev
    this.#entry = entry
    if (entry && !before) this.#lastSeenAt = entry.value.lastSeenAt
    // They are counted anew in each state: wrong keys of an approved device, knocks of one that was revoked.
    if (entry && before?.state !== entry.value.state) this.#attempts = entry.value.attempts
    if (entry?.value.state !== 'approved') {
      this.#dropLink()
      this.#heldOut = false
    }
    this.#link?.presence.update()
    this.#update()
  }

  /** Keeps it out and drops its session, while the store is told the same for good. */
  setBarred(barred: boolean): void {
    this.#barred = barred
    if (barred) this.#dropLink()
    this.#update()
  }

  /**
   * Keeps it out until a restart, or until the store says so for good: people have withdrawn it, and that could not be written.
   * It counts as blocked.
   */
  setHeldOut(heldOut: boolean): void {
    this.#heldOut = heldOut
    if (heldOut) this.#dropLink()
    this.#update()
  }

  /** Whether its proof waits for a decision. */
  setWaits(waits: boolean): void {
    this.#waits = waits
    this.#update()
  }

  /** A session of it begins; an older one does not count any more. */
  setLink(link: Link): void {
    this.#dropLink()
    this.#link = link
    this.#unreachable = false
    this.#update()
  }

  /** Something authentic came on its session. */
  onHeard(): void {
    this.#firstSeenAt ??= this.lastSeenAt
    this.#update()
  }

  /** A session has ended, or its device was silent for too long; does nothing for one that does not count any more. */
  endLink(link: Link): void {
    if (this.#link !== link) return
    this.#dropLink()
    this.#update()
  }

  onDescription(description: Description): void {
    this.#description = description
  }

  /** Somebody with a wrong key has claimed the id; of one that is not approved: with any key. */
  onAttempt(address: string): void {
    this.#attempts = { count: (this.#attempts?.count ?? 0) + 1, lastAt: this.#time.now(), lastAddress: address }
  }

  /** The gateway has lost the broker by which it reaches the device, or has it again. */
  setBrokerReachable(isReachable: boolean): void {
    if (isReachable) {
      this.#unreachable = false
      this.#link?.presence.resume()
    } else if (this.#link?.carrier === 'mqtt') {
      this.#unreachable = this.#link.isHeard
      this.#link.presence.pause()
    }
    this.#update()
  }

  /** The record with what was seen since it was written; undefined if there is nothing new. */
  seenRecord(): DeviceRecord | undefined {
    const { record, lastSeenAt, name, attempts } = this
    if (!record) return undefined
    const isSame = record.lastSeenAt === lastSeenAt && record.attempts?.lastAt === attempts?.lastAt
    if (isSame && record.name === name) return undefined
    return { ...record, name, lastSeenAt, firstSeenAt: this.firstSeenAt ?? lastSeenAt, attempts }
  }

  #dropLink(): void {
    if (!this.#link) return
    this.#lastSeenAt = this.lastSeenAt
    this.#link.end()
    this.#link = undefined
  }

  /** Looks at the state again. */
  #update(): void {
    const session = this.#link ? (this.#link.isHeard ? 'heard' : 'silent') : 'none'
    const state = stateOf({
      record: this.record?.state ?? null,
      heldOut: this.#heldOut,
      waits: this.#waits,
      session,
      everSeen: this.lastSeenAt !== null,
      unreachable: this.#unreachable,
    })
    if (state === this.#state) return
    this.#since = this.#beganAt(state)
    this.#state = state
  }

  /** When a state began that is seen only now: after a restart the record knows better. */
  #beganAt(state: DeviceState | null): number {
    if (this.#state !== null || !this.record) return this.#time.now()
    return state === 'offline' ? (this.lastSeenAt ?? this.record.since) : this.record.since
  }
}

/** Whether a change of a record only notes what the gateway has seen. */
function isNote(before: DeviceRecord | undefined, after: DeviceRecord): boolean {
  const { lastSeenAt, firstSeenAt, attempts } = after
  return before !== undefined && isDeepStrictEqual({ ...before, lastSeenAt, firstSeenAt, attempts }, after)
}
