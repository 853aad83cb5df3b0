import type { InferOutput } from 'valibot'
import type { Actor } from '../actor.js'
import type { changeUser, createUser, User } from '../contract/access.js'
import { GatewayError } from '../errors.js'
import type { Entry } from '../store/registry.js'
import type { Store, UserRecord } from '../store/store.js'
import type { Passwords } from './passwords.js'
import { randomSecret } from './secrets.js'

/** Most users of a gateway. */
const MAX_USERS = 256
const GENERATION_SIZE = 16

/** Those who may log in. One change at a time, so that the last admin cannot be lost to two changes at once. */
export class Users {
  readonly #store: Store
  readonly #passwords: Passwords
  readonly #now: () => number
  #last: Promise<unknown> = Promise.resolve()

  /** @param now ms since 1970 */
  constructor(store: Store, passwords: Passwords, now: () => number) {
    this.#store = store
    this.#passwords = passwords
    this.#now = now
  }

  async list(): Promise<User[]> {
    return (await this.#store.users.list()).map(publicUser)
  }

  get(name: string): Promise<Entry<UserRecord> | undefined> {
    return this.#store.users.get(name)
  }

  async isEmpty(): Promise<boolean> {
    return (await this.#store.users.list()).length === 0
  }

  /** @throws GatewayError EXISTS, TOO_MANY, SETUP_CLOSED for the first user if there is one already */
  create(
    actor: Actor,
    { name, role, password }: InferOutput<typeof createUser>,
    { first = false } = {},
  ): Promise<Entry<UserRecord>> {
    return this.#inTurn(async () => {
      const users = await this.#store.users.list()
      if (first && users.length > 0) throw new GatewayError('SETUP_CLOSED', 'There is a user already.')
      if (users.some(({ id }) => id === name)) throw new GatewayError('EXISTS', `There is a user ${name} already.`)
      if (users.length >= MAX_USERS) throw new GatewayError('TOO_MANY', `There are ${MAX_USERS} users already.`)
      const value: UserRecord = {
        role,
        createdAt: this.#now(),
        // The setup link logs its user in.
        lastLoginAt: first ? this.#now() : null,
        password: await this.#passwords.hash(password),
        generation: randomSecret(GENERATION_SIZE),
      }
      const audit = { ...by(actor), action: first ? 'setup' : 'user.create', object: name, detail: `role ${role}` }
      return this.#store.users.cas(name, 0, value, { ...audit, result: 'ok' })
    })
  }

  /**
   * Changes role or password; both end all logins of the user.
   * @throws GatewayError NOT_FOUND, CONFLICT, WRONG_STATE for the last admin
   */
  change(actor: Actor, name: string, change: InferOutput<typeof changeUser>): Promise<Entry<UserRecord>> {
    return this.#inTurn(async () => {
      const { value } = await this.#find(name, change.rev)
      if (change.role && change.role !== 'admin') await this.#keepAnAdmin(name)
      const changed: UserRecord = {
        ...value,
        role: change.role ?? value.role,
        password: change.password ? await this.#passwords.hash(change.password) : value.password,
        generation: randomSecret(GENERATION_SIZE),
      }
      const detail = [
        changed.role === value.role ? [] : [`role ${value.role} → ${changed.role}`],
        change.password ? ['new password'] : [],
      ]
      return this.#store.users.cas(name, change.rev, changed, {
        ...by(actor),
        action: 'user.change',
        object: name,
        before: change.rev,
        result: 'ok',
        detail: detail.flat().join(', '),
      })
    })
  }

  /** Notes a login in the record and in the audit log. */
  noteLogin(name: string, address: string): Promise<void> {
    return this.#inTurn(async () => {
      const user = await this.get(name)
      if (!user) return
      const audit = { actor: name, role: user.value.role, action: 'login', object: name, result: 'ok' }
      const value = { ...user.value, lastLoginAt: this.#now() }
      await this.#store.users.cas(name, user.rev, value, { ...audit, detail: `from ${address}` })
    })
  }

  /** Makes all logins of the user void. */
  endLogins(actor: Actor, name: string): Promise<void> {
    return this.#inTurn(async () => {
      const user = await this.get(name)
      if (!user) return
      const generation = randomSecret(GENERATION_SIZE)
      const audit = { ...by(actor), action: 'logout.everywhere', object: name, result: 'ok' }
      await this.#store.users.cas(name, user.rev, { ...user.value, generation }, audit)
    })
  }

  /**
   * @param before runs once it is sure that the user may be removed
   * @throws GatewayError NOT_FOUND, CONFLICT, WRONG_STATE for the last admin
   */
  remove(actor: Actor, name: string, rev: number, before: () => Promise<void>): Promise<void> {
    return this.#inTurn(async () => {
      await this.#find(name, rev)
      await this.#keepAnAdmin(name)
      await before()
      const audit = { ...by(actor), action: 'user.remove', object: name, before: rev, result: 'ok' }
      await this.#store.users.cas(name, rev, null, audit)
    })
  }

  async #find(name: string, rev: number): Promise<Entry<UserRecord>> {
    const user = await this.get(name)
    if (!user) throw new GatewayError('NOT_FOUND', `There is no user ${name}.`)
    if (user.rev !== rev)
      throw new GatewayError('CONFLICT', `${name} was changed meanwhile.`, { hint: 'Look again, then repeat.' })
    return user
  }

  async #keepAnAdmin(without: string): Promise<void> {
    const users = await this.#store.users.list()
    if (!users.some(({ id, value }) => id !== without && value.role === 'admin'))
      throw new GatewayError('WRONG_STATE', `${without} is the last admin.`, { hint: 'Make another admin first.' })
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const turn = this.#last.then(work)
    this.#last = turn.catch(() => {})
    return turn
  }
}

/** What may be seen of a user. */
export function publicUser({ id, rev, value }: Entry<UserRecord>): User {
  return { name: id, role: value.role, rev, createdAt: value.createdAt, lastLoginAt: value.lastLoginAt }
}

const by = (actor: Actor) => ({ actor: actor.name, role: actor.role })
