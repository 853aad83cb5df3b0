import type { Entry } from '../store/registry.js'
import type { LoginRecord, Store, UserRecord } from '../store/store.js'
import { hashSecret, randomSecret } from './secrets.js'

const HOUR = 3600_000
/** A login ends after so long without use, and after so long in any case, ms. */
export const LOGIN_IDLE = 12 * HOUR
export const LOGIN_LIFE = 7 * 24 * HOUR
/** For so long after the password was given dangerous acts need it not again, ms. */
export const STEP_UP_LIFE = 5 * 60_000
/** The use of a login is written at most so often, ms. */
const TOUCH_AFTER = 5 * 60_000
/** Most logins of one user; the one used least recently gives way. */
const MAX_PER_USER = 32
const COOKIE_SIZE = 32

/** A login that is valid now, with its user. */
export interface Login {
  /** SHA-256 of the cookie, hex. */
  readonly id: string
  readonly stepUpUntil: number | null
  readonly user: Entry<UserRecord>
}

/** Logins of the page. A login is valid while it is not too old, its user exists, and password and role have not changed since. */
export class Logins {
  readonly #store: Store
  readonly #now: () => number

  /** @param now ms since 1970 */
  constructor(store: Store, now: () => number) {
    this.#store = store
    this.#now = now
  }

  /** @returns the value of the cookie */
  async create({ id: user, value: { generation } }: Entry<UserRecord>): Promise<string> {
    await this.#prune(user)
    const cookie = randomSecret(COOKIE_SIZE)
    const now = this.#now()
    const login = { user, generation, createdAt: now, lastUsedAt: now, stepUpUntil: now + STEP_UP_LIFE }
    await this.#store.logins.cas(hashSecret(cookie), 0, login)
    return cookie
  }

  /** @param use whether this counts as use, which puts off the end for idleness */
  async find(cookie: string, { use = true } = {}): Promise<Login | undefined> {
    const id = hashSecret(cookie)
    const login = await this.#store.logins.get(id)
    if (!login || this.#isOver(login.value)) return undefined
    const user = await this.#store.users.get(login.value.user)
    if (!user || user.value.generation !== login.value.generation) return undefined
    if (use && this.#now() - login.value.lastUsedAt >= TOUCH_AFTER) await this.#touch(login)
    return { id, stepUpUntil: login.value.stepUpUntil, user }
  }

  /** After the password was given again. @returns until when */
  async stepUp(id: string): Promise<number | null> {
    const login = await this.#store.logins.get(id)
    if (!login) return null
    const stepUpUntil = this.#now() + STEP_UP_LIFE
    await this.#store.logins.cas(id, login.rev, { ...login.value, stepUpUntil })
    return stepUpUntil
  }

  async end(id: string): Promise<void> {
    const login = await this.#store.logins.get(id)
    if (login) await this.#store.logins.cas(id, login.rev, null)
  }

  #isOver({ createdAt, lastUsedAt }: LoginRecord): boolean {
    const now = this.#now()
    return now - createdAt >= LOGIN_LIFE || now - lastUsedAt >= LOGIN_IDLE
  }

  /** A store that cannot be written ends no login; neither does another request that was first. */
  async #touch({ id, rev, value }: Entry<LoginRecord>): Promise<void> {
    await this.#store.logins.cas(id, rev, { ...value, lastUsedAt: this.#now() }).catch(() => {})
  }

  /** Removes what is over, and what `user` has too many of. */
  async #prune(user: string): Promise<void> {
    const logins = await this.#store.logins.list()
    const own = logins.filter(({ value }) => value.user === user && !this.#isOver(value))
    own.sort((a, b) => b.value.lastUsedAt - a.value.lastUsedAt)
    const gone = [...logins.filter(({ value }) => this.#isOver(value)), ...own.slice(MAX_PER_USER - 1)]
    await Promise.all(gone.map(({ id, rev }) => this.#store.logins.cas(id, rev, null).catch(() => {})))
  }
}
