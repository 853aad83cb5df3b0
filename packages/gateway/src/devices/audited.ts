import { mayActAs } from '../access/roles.js'
import type { Actor } from '../actor.js'
import type { Role } from '../contract/access.js'
import { GatewayError } from '../errors.js'
import type { AuditEvent } from '../store/registry.js'
import type { AuditLog } from '../store/store.js'

/** A command, as it stands in the audit log. */
export interface Command {
  /** As `device.approve`. */
  readonly action: string
  /** A device id, or nothing. */
  readonly object: string
  /** The least role that may. */
  readonly role: Role
  readonly detail?: string | undefined
}

/**
 * Runs the commands of people and scripts: checks the role, and sees that each command stands in the audit log, whether it was carried
 * out or refused.
 */
export class AuditedCommands {
  readonly #log: AuditLog

  constructor(log: AuditLog) {
    this.#log = log
  }

  /**
   * A command that changes records. `work` writes the event that it is given in the same transaction as the change.
   * @throws GatewayError FORBIDDEN; what `work` throws
   */
  async change<T>(actor: Actor, command: Command, work: (event: AuditEvent) => Promise<T>): Promise<T> {
    return this.#guard(actor, command, () => work(eventOf(actor, command, 'ok')))
  }

  /**
   * A command that changes no record. `check` says whether it can be done; then it is written down, and then done.
   * @param resultOf what is written down as its result; `ok` where left out
   * @throws GatewayError FORBIDDEN, STORE_FAILED; what `check` and `work` throw
   */
  async act<C, T>(
    actor: Actor,
    command: Command,
    check: () => C,
    work: (checked: C) => T | Promise<T>,
    resultOf: (checked: C) => string = () => 'ok',
  ): Promise<T> {
    const checked = await this.#guard(actor, command, async () => check())
    await this.#log.append(eventOf(actor, command, resultOf(checked)))
    return work(checked)
  }

  async #guard<T>(actor: Actor, command: Command, work: () => Promise<T>): Promise<T> {
    try {
      assertRole(actor, command.role)
      return await work()
    } catch (error) {
      const code = error instanceof GatewayError ? error.code : 'INTERNAL'
      // A store that fails has told so by itself; the caller is to hear what was refused.
      await this.#log.append(eventOf(actor, command, code)).catch(() => {})
      throw error
    }
  }
}

function assertRole(actor: Actor, role: Role): void {
  if (mayActAs(actor.role, role)) return
  throw new GatewayError('FORBIDDEN', `This needs the role ${role}; you have the role ${actor.role}.`, {
    hint: 'Ask somebody with that role.',
  })
}

function eventOf(actor: Actor, { action, object, detail }: Command, result: string): AuditEvent {
  return { actor: actor.name, role: actor.role, action, object, result, ...(detail && { detail }) }
}
