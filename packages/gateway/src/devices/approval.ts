import { pskFingerprint, wipe } from '@usmp/core'
import type { Actor } from '../actor.js'
import type { Device } from '../contract/device.js'
import { GatewayError } from '../errors.js'
import type { Body } from '../operations.js'
import { type Rate, TokenBucket } from '../token-bucket.js'
import { cutOff } from './cut-off.js'
import { NO_KEY, readKey, type StoredKey } from './keys.js'
import type { DeviceRecord } from './record.js'
import { type DeviceServices, newRecord } from './services.js'

/** Keys that do not fit. A person errs now and then; a program must not try keys here. */
const WRONG_KEYS: Rate = { burst: 20, perSecond: 1 / 6 }

/** Decides about devices that wait. A key is checked against the stored proof before anything is written. */
export class Approval {
  readonly #services: DeviceServices
  readonly #wrongKeys: TokenBucket

  constructor(services: DeviceServices) {
    this.#services = services
    this.#wrongKeys = new TokenBucket(WRONG_KEYS, services.time.monotonic())
  }

  /** @throws GatewayError FORBIDDEN, NOT_FOUND, PROOF_CHANGED, PROOF_EXPIRED, WEAK_PSK, TOO_MANY */
  checkKey(actor: Actor, id: string, { proofId, psk }: Body<'checkKey'>): Promise<Body<'keyCheck'>> {
    const command = { action: 'device.check-key', object: id, role: 'operator' } as const
    return this.#services.commands.act(
      actor,
      command,
      () => withKey(psk, (key) => ({ fits: this.#fits(id, proofId, key), fingerprint: pskFingerprint(key, id) })),
      ({ fits, fingerprint }) => ({ fits, fingerprint: fits ? fingerprint : null }),
      ({ fits }) => (fits ? 'ok' : 'KEY_DOES_NOT_FIT'),
    )
  }

  /** @throws GatewayError FORBIDDEN, NOT_FOUND, PROOF_CHANGED, PROOF_EXPIRED, KEY_DOES_NOT_FIT, WEAK_PSK, TOO_MANY, EXISTS, STORE_FAILED */
  approve(actor: Actor, id: string, { proofId, psk, name = '', group = null }: Body<'approve'>): Promise<Device> {
    const { commands, directory, time } = this.#services
    return commands.change(actor, { action: 'device.approve', object: id, role: 'operator' }, async (event) => {
      this.#assertWaits(id)
      directory.assertHistoryIsFree(id)
      const key = this.#keyFor(id, proofId, psk)
      const firstSeenAt = this.#services.waiting.view(id)!.firstAt
      await directory.create(id, newRecord(id, time.now(), { name, group, firstSeenAt, ...key }), event)
      return this.#onApproved(id)
    })
  }

  /** @throws GatewayError as {@link approve}, and CONFLICT, WRONG_STATE */
  replace(actor: Actor, id: string, { rev, by, proofId, psk, reason }: Body<'replace'>): Promise<Device> {
    const { commands, directory, time, onReplaced } = this.#services
    const detail = `by ${by}${reason ? `: ${reason}` : ''}`
    return commands.change(actor, { action: 'device.replace', object: id, role: 'admin', detail }, async (event) => {
      const old = directory.get(id)
      const { value: record } = old.assertSeen(rev)
      if (record.state === 'blocked') throw new GatewayError('WRONG_STATE', 'A blocked device cannot be replaced.')
      this.#assertNoHeir(id, record.history)
      this.#assertWaits(by)
      const key = this.#keyFor(by, proofId, psk)
      const now = time.now()
      const heir: DeviceRecord = {
        ...(old.seenRecord() ?? record),
        ...{ state: 'approved', since: now, ...key, lastSeenAt: null, attempts: null, blockedUntil: null },
        replaced: [...record.replaced, id],
      }
      const retire = (one: DeviceRecord): DeviceRecord => ({ ...one, state: 'revoked', since: now, ...NO_KEY })
      await cutOff(this.#services, old, () =>
        directory.update(old, rev, retire, event, [{ id: by, rev: 0, value: heir }]),
      )
      onReplaced(id, by)
      return this.#onApproved(by)
    })
  }

  /** @throws GatewayError FORBIDDEN, NOT_FOUND */
  star(actor: Actor, id: string, { starred }: Body<'star'>): Promise<Device> {
    const { commands, waiting, describe } = this.#services
    const command = { action: starred ? 'device.star' : 'device.unstar', object: id, role: 'operator' } as const
    return commands.act(
      actor,
      command,
      () => this.#assertWaits(id),
      () => {
        waiting.star(id, starred)
        return describe(id)
      },
    )
  }

  /** @throws GatewayError FORBIDDEN, NOT_FOUND */
  dismiss(actor: Actor, id: string): Promise<void> {
    const { commands, waiting } = this.#services
    const command = { action: 'device.dismiss', object: id, role: 'operator' } as const
    return commands.act(
      actor,
      command,
      () => this.#assertWaits(id),
      () => void waiting.remove(id),
    )
  }

  #onApproved(id: string): Device {
    const { waiting, join, hint, describe } = this.#services
    waiting.remove(id)
    join.onJoined()
    hint(id)
    return describe(id)
  }

  /** The key of a waiting device, to be stored. */
  #keyFor(id: string, proofId: string, psk: string | undefined): StoredKey {
    const { waiting, keys } = this.#services
    if (psk === undefined) {
      if (waiting.isProven(id, proofId)) return keys.storeDerived(id)
      throw new GatewayError('INVALID', 'The key of this device is needed.', {
        hint: 'Only a device whose proof fits the master key is approved without one.',
      })
    }
    return withKey(psk, (key) => {
      if (this.#fits(id, proofId, key)) return keys.store(id, key, 'typed')
      throw new GatewayError('KEY_DOES_NOT_FIT', 'The key does not fit the proof that the device has sent.', {
        hint: 'Compare the key with the label of the device, and the id with its display. Nothing was changed.',
      })
    })
  }

  #fits(id: string, proofId: string, key: Uint8Array): boolean {
    const { waiting, time } = this.#services
    if (!this.#wrongKeys.has(time.monotonic())) {
      throw new GatewayError('TOO_MANY', 'Too many keys that did not fit were tried.', {
        hint: 'Wait a minute.',
        retryAfter: 6,
      })
    }
    const fits = waiting.matches(id, proofId, key)
    if (!fits) this.#wrongKeys.take(time.monotonic())
    return fits
  }

  /** A history goes on with one device only. @throws GatewayError WRONG_STATE */
  #assertNoHeir(id: string, history: string): void {
    const heir = this.#services.directory.historyOwners.get(history)
    if (heir === undefined || heir === id) return
    throw new GatewayError('WRONG_STATE', `The device was replaced already, by ${heir}.`, {
      hint: 'Replace that one.',
    })
  }

  /** @throws GatewayError NOT_FOUND; WRONG_STATE if it was decided already */
  #assertWaits(id: string): void {
    const { waiting, directory } = this.#services
    if (waiting.has(id)) return
    const { state } = directory.get(id)
    throw new GatewayError('WRONG_STATE', `The device does not wait for approval: it is ${state}.`, {
      hint: 'Somebody else may have decided meanwhile.',
    })
  }
}

/** Reads a key, uses it and wipes it. */
function withKey<T>(text: string, use: (key: Uint8Array) => T): T {
  const key = readKey(text)
  try {
    return use(key)
  } finally {
    wipe(key)
  }
}
