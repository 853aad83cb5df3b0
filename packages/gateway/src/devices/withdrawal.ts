import { type Actor, GATEWAY } from '../actor.js'
import type { Device } from '../contract/device.js'
import { GatewayError } from '../errors.js'
import type { Body } from '../operations.js'
import { keepOut } from './cut-off.js'
import type { ManagedDevice } from './device.js'
import { NO_KEY } from './keys.js'
import type { DeviceRecord } from './record.js'
import { type DeviceServices, newRecord } from './services.js'

/** How long an id is blocked if nobody says, ms. */
const DEFAULT_BLOCK = 30 * 24 * 3600_000

/**
 * Takes from devices what they were given: revokes, removes, blocks. The session ends while the store is written, not after it; if it
 * cannot be written, the device stays out until a restart, or until somebody unblocks it.
 */
export class Withdrawal {
  readonly #services: DeviceServices

  constructor(services: DeviceServices) {
    this.#services = services
  }

  /** @throws GatewayError FORBIDDEN, NOT_FOUND, CONFLICT, WRONG_STATE, STORE_FAILED */
  revoke(actor: Actor, id: string, { rev, reason }: Body<'revoke'>): Promise<Device> {
    const { commands, directory, time, describe } = this.#services
    return commands.change(
      actor,
      { action: 'device.revoke', object: id, role: 'admin', detail: reason },
      async (event) => {
        const device = directory.get(id)
        const { value } = device.assertSeen(rev)
        if (value.state === 'revoked') throw new GatewayError('WRONG_STATE', 'The device is revoked already.')
        const tombstone = (record: DeviceRecord): DeviceRecord => ({
          ...record,
          ...NO_KEY,
          state: 'revoked',
          since: time.now(),
          blockedUntil: null,
          attempts: null,
        })
        await keepOut(this.#services, device, () => directory.update(device, rev, tombstone, event))
        return describe(id)
      },
    )
  }

  /** @throws GatewayError FORBIDDEN, NOT_FOUND, CONFLICT, STORE_FAILED */
  remove(actor: Actor, id: string, { rev, reason }: Body<'remove'>): Promise<void> {
    const { commands, directory, onRemoved } = this.#services
    return commands.change(
      actor,
      { action: 'device.remove', object: id, role: 'admin', detail: reason },
      async (event) => {
        const device = directory.get(id)
        const { history } = device.assertSeen(rev).value
        await keepOut(this.#services, device, () => directory.update(device, rev, () => null, event))
        const isShared = directory.all.some(({ record }) => record?.history === history)
        await onRemoved(id, isShared ? undefined : history)
      },
    )
  }

  /** @throws GatewayError FORBIDDEN, NOT_FOUND, CONFLICT, WRONG_STATE, INVALID, STORE_FAILED */
  block(actor: Actor, id: string, { rev, until, reason }: Body<'block'>): Promise<Device> {
    const { commands, directory, waiting, time, describe } = this.#services
    return commands.change(
      actor,
      { action: 'device.block', object: id, role: 'admin', detail: reason },
      async (event) => {
        const now = time.now()
        const blockedUntil = until ?? now + DEFAULT_BLOCK
        if (blockedUntil <= now) throw new GatewayError('INVALID', 'A block must end in the future.')
        const device = directory.get(id)
        if (!device.record) {
          if (rev !== 0) device.assertSeen(rev)
          await directory.create(id, newRecord(id, now, { state: 'blocked', blockedUntil }), event)
          waiting.remove(id)
          return describe(id)
        }
        if (device.assertSeen(rev).value.state === 'revoked') {
          throw new GatewayError('WRONG_STATE', 'The device is revoked: it cannot come in anyway.')
        }
        const block = (record: DeviceRecord): DeviceRecord => ({
          ...record,
          state: 'blocked',
          since: now,
          blockedUntil,
          attempts: null,
        })
        await keepOut(this.#services, device, () => directory.update(device, rev, block, event))
        return describe(id)
      },
    )
  }

  /**
   * A device that had a key may come in again, one that had none has to knock.
   * @throws GatewayError FORBIDDEN, NOT_FOUND, CONFLICT, WRONG_STATE, STORE_FAILED
   */
  unblock(actor: Actor, id: string, { rev }: Body<'unblock'>): Promise<void> {
    const { commands, directory, time, hint } = this.#services
    return commands.change(actor, { action: 'device.unblock', object: id, role: 'admin' }, async (event) => {
      const device = directory.get(id)
      const { state } = device.assertSeen(rev).value
      if (state !== 'blocked' && !device.isHeldOut) throw new GatewayError('WRONG_STATE', 'It is not blocked.')
      const unblock = (record: DeviceRecord): DeviceRecord | null =>
        record.keySource === null ? null : { ...record, state: 'approved', since: time.now(), blockedUntil: null }
      await directory.update(device, rev, unblock, event)
      if (device.isHeldOut) directory.setHeldOut(device, false)
      hint(id)
    })
  }

  /** Ends the blocks whose time is over. */
  async endBlocks(): Promise<void> {
    const { directory, time } = this.#services
    const isOver = ({ record }: ManagedDevice) => record?.state === 'blocked' && record.blockedUntil! <= time.now()
    for (const { id, entry } of directory.all.filter(isOver)) await this.unblock(GATEWAY, id, { rev: entry!.rev })
  }
}
