import { randomBytes } from 'node:crypto'
import type { InferOutput } from 'valibot'
import type { Actor } from '../actor.js'
import type { ApiToken, createdToken, createToken, Role } from '../contract/access.js'
import { GatewayError } from '../errors.js'
import type { Entry } from '../store/registry.js'
import type { Store, TokenRecord } from '../store/store.js'
import { lesserRole } from './roles.js'
import { equalHashes, hashSecret, randomSecret } from './secrets.js'

/** Most tokens of a gateway. */
const MAX_TOKENS = 256
const DAY = 24 * 3600_000
/** The use of a token is written at most so often, ms. */
const TOUCH_AFTER = 5 * 60_000
const ID_SIZE = 8
const SECRET_SIZE = 32

/** A token that is valid now. */
export interface ValidToken {
  readonly name: string
  /** No more than what the one who made it may do now. */
  readonly role: Role
}

/**
 * Tokens for scripts: `usmp_ID_SECRET`. The id finds the record, which holds the hash of the whole. A token ends with the user
 * who made it, so that nobody keeps a way in.
 */
export class Tokens {
  readonly #store: Store
  readonly #now: () => number

  /** @param now ms since 1970 */
  constructor(store: Store, now: () => number) {
    this.#store = store
    this.#now = now
  }

  async list(): Promise<ApiToken[]> {
    return (await this.#store.tokens.list()).map(publicToken)
  }

  /** @throws GatewayError TOO_MANY */
  async create(
    actor: Actor,
    { name, role, days }: InferOutput<typeof createToken>,
  ): Promise<InferOutput<typeof createdToken>> {
    if ((await this.#store.tokens.list()).length >= MAX_TOKENS)
      throw new GatewayError('TOO_MANY', `There are ${MAX_TOKENS} tokens already.`, { hint: 'Remove old ones first.' })
    const id = randomBytes(ID_SIZE).toString('hex')
    const token = `usmp_${id}_${randomSecret(SECRET_SIZE)}`
    const createdAt = this.#now()
    const record: TokenRecord = {
      name,
      role,
      createdAt,
      createdBy: actor.name,
      expiresAt: createdAt + days * DAY,
      lastUsedAt: null,
      hash: hashSecret(token),
    }
    const detail = `${name}: role ${role}, ${days} days`
    const entry = await this.#store.tokens.cas(id, 0, record, audit(actor, 'token.create', id, detail))
    return { ...publicToken(entry), token }
  }

  async find(token: string): Promise<ValidToken | undefined> {
    const [, id] = /^usmp_([0-9a-f]{16})_[\w-]{43}$/.exec(token) ?? []
    const entry = id === undefined ? undefined : await this.#store.tokens.get(id)
    if (!entry || !equalHashes(hashSecret(token), entry.value.hash)) return undefined
    if (this.#now() >= entry.value.expiresAt) return undefined
    const maker = await this.#store.users.get(entry.value.createdBy)
    if (!maker) return undefined
    if (this.#now() - (entry.value.lastUsedAt ?? 0) >= TOUCH_AFTER) await this.#touch(entry)
    return { name: entry.value.name, role: lesserRole(entry.value.role, maker.value.role) }
  }

  /** @throws GatewayError NOT_FOUND */
  async remove(actor: Actor, id: string): Promise<void> {
    const entry = await this.#store.tokens.get(id)
    if (!entry) throw new GatewayError('NOT_FOUND', 'There is no such token.')
    await this.#store.tokens.cas(id, entry.rev, null, audit(actor, 'token.remove', id, entry.value.name))
  }

  /** Removes all tokens that `user` has made. */
  async removeOf(actor: Actor, user: string): Promise<void> {
    const all = await this.#store.tokens.list()
    for (const { id, value } of all) if (value.createdBy === user) await this.remove(actor, id)
  }

  /** A store that cannot be written ends no token; neither does another request that was first. */
  async #touch({ id, rev, value }: Entry<TokenRecord>): Promise<void> {
    await this.#store.tokens.cas(id, rev, { ...value, lastUsedAt: this.#now() }).catch(() => {})
  }
}

function publicToken({ id, value: { hash: _, ...token } }: Entry<TokenRecord>): ApiToken {
  return { id, ...token }
}

const audit = (actor: Actor, action: string, object: string, detail: string) => ({
  actor: actor.name,
  role: actor.role,
  action,
  object,
  detail,
  result: 'ok',
})
