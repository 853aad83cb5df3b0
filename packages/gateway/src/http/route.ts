import type { GenericSchema, InferOutput } from 'valibot'
import type { Caller } from '../access/access.js'
import type { Role } from '../contract/access.js'
import type { GatewayErrorCode } from '../contract/errors.js'

/** One request, checked: what the handler of a route works with. */
export interface Call<P, Q, B> {
  readonly params: P
  readonly query: Q
  readonly body: B
  /** The bytes of the body, of a route that takes a file. Their end is reached only by who may still call the route then. */
  readonly upload: AsyncIterable<Uint8Array>
  /** @throws GatewayError UNAUTHENTICATED on a route for everybody, if nobody is logged in */
  readonly caller: Caller
  /** As `caller`, but null if nobody is logged in. */
  readonly visitor: Caller | null
  /** Where the request comes from. */
  readonly address: string
  /** Sets the cookie of a login, or removes it. */
  setCookie(value: string | null): void
}

/** What a route answers: a body in JSON, a file of one of these types, or nothing (204). */
export type Answer = { readonly json: GenericSchema } | { readonly files: readonly string[] } | null

interface Shape {
  readonly method: 'get' | 'post' | 'patch' | 'delete'
  /** As OpenAPI writes it, with `{name}` for parameters. */
  readonly path: string
  /** Name for programs that are made from the description. */
  readonly id: string
  readonly summary: string
  /** Who may: this role and those above it, or everybody, also without a login. */
  readonly role: Role | 'everybody'
  /** Only for people who are logged in, not for tokens. */
  readonly person?: true
  /** People give their password again, within the last 5 minutes; tokens have none, and need none. */
  readonly stepUp?: true
  /** Largest body, bytes; left out: {@link MAX_BODY}. */
  readonly maxBody?: number
  /** Takes a file of `maxBody` bytes at most in place of JSON; its type. */
  readonly upload?: string
  readonly answer: Answer
  /** Codes of its own; those that follow from role, body and the like are added. */
  readonly errors?: readonly GatewayErrorCode[]
}

export interface Route extends Shape {
  readonly params?: Params
  readonly query?: Params
  readonly body?: GenericSchema
  handle(call: Call<never, never, never>): Promise<unknown> | unknown
}

/** An object of texts by name. */
export type Params = GenericSchema<Record<string, unknown>> & { readonly entries: Record<string, GenericSchema> }
type Parsed<S> = S extends GenericSchema ? InferOutput<S> : undefined

export const MAX_BODY = 64 * 1024

/** One row of the table that decides what the API is: routing, checks and description are made of it. */
export function route<
  P extends Params | undefined = undefined,
  Q extends Params | undefined = undefined,
  B extends GenericSchema | undefined = undefined,
>(
  row: Shape & {
    readonly params?: P
    readonly query?: Q
    readonly body?: B
    handle(call: Call<Parsed<P>, Parsed<Q>, Parsed<B>>): Promise<unknown> | unknown
  },
): Route {
  return row as unknown as Route
}
