import type { InferOutput } from 'valibot'
import type { Actor } from '../actor.js'
import type { changeOwnPassword, login, setup } from '../contract/access.js'
import { GatewayError } from '../errors.js'
import type { Entry } from '../store/registry.js'
import type { Store, UserRecord } from '../store/store.js'
import { BoundedAudit } from './bounded-audit.js'
import { FailedLogins } from './failed-logins.js'
import { type Login, Logins } from './logins.js'
import { Passwords } from './passwords.js'
import { equalHashes, hashSecret, randomSecret } from './secrets.js'
import { SetupLink } from './setup-link.js'
import { LoginThrottle } from './throttle.js'
import { Tokens } from './tokens.js'
import { Users } from './users.js'

/** Who calls, proven by a cookie or a token. */
export interface Caller {
  readonly actor: Actor
  /** Null for a token. */
  readonly login: Login | null
}

/** What a request brings to prove who calls; a token wins over a cookie. */
export interface Credentials {
  readonly cookie: string | undefined
  readonly token: string | undefined
}

export interface AccessOptions {
  readonly store: Store
  /** ms since 1970, for what is stored. */
  readonly now: () => number
  /** A monotonic clock, ms, for pauses and the setup link. */
  readonly monotonic: () => number
  /** Cost of scrypt as binary logarithm; for tests. */
  readonly passwordCost?: number
}

/** Whoever can open the folder of the gateway can read its store, too. */
const LOCAL: Actor = { name: 'cli', role: 'admin' }

/** Who may come in: the first user by the setup link, people by password and cookie, scripts by tokens. */
export class Access {
  readonly users: Users
  readonly tokens: Tokens
  readonly setupLink: SetupLink
  /** Lets commands of this machine in, as an admin, while this runs; it goes out by the control socket alone. */
  readonly localToken = randomSecret(32)
  readonly #store: Store
  readonly #logins: Logins
  readonly #passwords: Passwords
  readonly #throttle: LoginThrottle
  readonly #failed: FailedLogins
  readonly #refused: BoundedAudit

  constructor({ store, now, monotonic, passwordCost }: AccessOptions) {
    this.#store = store
    this.#passwords = new Passwords(passwordCost)
    this.#throttle = new LoginThrottle(monotonic)
    this.#failed = new FailedLogins(store.audit, monotonic)
    this.#refused = new BoundedAudit(store.audit, monotonic)
    this.#logins = new Logins(store, now)
    this.users = new Users(store, this.#passwords, now)
    this.tokens = new Tokens(store, now)
    this.setupLink = new SetupLink(monotonic)
  }

  /**
   * @param options.use false to look only, as a socket does that stays open
   * @returns undefined if neither cookie nor token is valid now
   */
  async authenticate(
    { cookie, token }: Credentials,
    options: { readonly use?: boolean } = {},
  ): Promise<Caller | undefined> {
    if (token !== undefined) {
      if (equalHashes(hashSecret(token), hashSecret(this.localToken))) return { actor: LOCAL, login: null }
      const valid = await this.tokens.find(token)
      return valid && { actor: { name: `token:${valid.name}`, role: valid.role }, login: null }
    }
    const found = cookie === undefined ? undefined : await this.#logins.find(cookie, options)
    return found && asCaller(found)
  }

  /**
   * Makes the first user, an admin.
   * @returns the cookie of their login
   * @throws GatewayError SETUP_CLOSED
   */
  async setup({ token, name, password }: InferOutput<typeof setup>): Promise<string> {
    const giveBack = this.setupLink.take(token)
    try {
      const actor: Actor = { name, role: 'admin' }
      return await this.#logins.create(
        await this.users.create(actor, { name, role: 'admin', password }, { first: true }),
      )
    } catch (error) {
      giveBack()
      throw error
    }
  }

  /**
   * @returns the cookie
   * @throws GatewayError WRONG_PASSWORD, TOO_MANY
   */
  async logIn({ name, password }: InferOutput<typeof login>, address: string): Promise<string> {
    const user = await this.#checkPassword(name, password, address)
    const cookie = await this.#logins.create(user)
    await this.users.noteLogin(name, address)
    return cookie
  }

  async logOut({ actor, login }: Caller): Promise<void> {
    if (!login) return
    await this.#logins.end(login.id)
    await this.#store.audit.append({
      actor: actor.name,
      role: actor.role,
      action: 'logout',
      object: actor.name,
      result: 'ok',
    })
  }

  /** @throws GatewayError WRONG_PASSWORD, TOO_MANY */
  async stepUp(login: Login, password: string, address: string): Promise<number | null> {
    await this.#checkPassword(login.user.id, password, address, { loggedIn: true })
    return this.#logins.stepUp(login.id)
  }

  /**
   * Changes the password of the caller; all their logins end.
   * @returns the cookie of a new one
   * @throws GatewayError WRONG_PASSWORD, TOO_MANY, CONFLICT
   */
  async changePassword(
    actor: Actor,
    { password, newPassword }: InferOutput<typeof changeOwnPassword>,
    address: string,
  ): Promise<string> {
    const { id, rev } = await this.#checkPassword(actor.name, password, address, { loggedIn: true })
    return this.#logins.create(await this.users.change(actor, id, { rev, password: newPassword }))
  }

  /** Removes a user, after the tokens that they have made. */
  async removeUser(actor: Actor, name: string, rev: number): Promise<void> {
    await this.users.remove(actor, name, rev, () => this.tokens.removeOf(actor, name))
  }

  /** Writes down that somebody has asked for what their role does not allow. A store that fails hides no refusal. */
  async noteRefused({ name, role }: Actor, action: string, object: string, address: string): Promise<void> {
    const event = { actor: name, role, action, object, result: 'FORBIDDEN', detail: `from ${address}` }
    await this.#refused.add(event).catch(() => {})
  }

  /** Calls back after each change of a user, token or login, when a caller may have lost their rights. */
  onChange(listener: () => void, signal: AbortSignal): void {
    const watch = async (changes: AsyncIterable<unknown>) => {
      for await (const _ of changes) listener()
    }
    // A store that fails ends this; who holds something open looks again from time to time anyway.
    for (const registry of [this.#store.users, this.#store.tokens, this.#store.logins])
      watch(registry.watch(signal)).catch(listener)
  }

  /** @param options.loggedIn pauses that strangers bring about must not keep somebody who is in from revoking a device */
  async #checkPassword(
    name: string,
    password: string,
    address: string,
    { loggedIn = false } = {},
  ): Promise<Entry<UserRecord>> {
    const attempt = loggedIn ? this.#throttle.beginLoggedIn(name) : this.#throttle.begin(name, address)
    const user = await this.users.get(name)
    if ((await this.#passwords.verify(password, user?.value.password ?? null)) && user) {
      attempt.succeeded()
      return user
    }
    await this.#failed.add(user?.id ?? null, address)
    throw new GatewayError('WRONG_PASSWORD', 'Name or password is wrong.')
  }
}

function asCaller(login: Login): Caller {
  const { id, value } = login.user
  return { actor: { name: id, role: value.role }, login }
}
