import type { IncomingMessage } from 'node:http'
import type { HttpBindings } from '@hono/node-server'
import type { Context, Hono } from 'hono'
import * as v from 'valibot'
import type { Access, Caller, Credentials } from '../access/access.js'
import { mayActAs } from '../access/roles.js'
import type { ApiError } from '../contract/errors.js'
import { GatewayError } from '../errors.js'
import type { Cookies } from './cookies.js'
import type { OriginCheck } from './origin.js'
import { type Call, MAX_BODY, type Params, type Route } from './route.js'

/** Deepest nesting of a body; nothing here needs more, and recursive code must not be made to overflow. */
const MAX_DEPTH = 32

export interface RouterServices {
  readonly access: Access
  readonly origin: OriginCheck
  readonly cookies: Cookies
  /** Address of the client, also behind a proxy. */
  readonly addressOf: (request: IncomingMessage) => string
  /** ms since 1970. */
  readonly now: () => number
  /** Told of what is a fault of the gateway itself. */
  readonly onError: (error: unknown) => void
}

export type Env = { Bindings: HttpBindings }

/** Makes the table of routes work: each request is checked in the same order, whatever the route. */
export function addRoutes(app: Hono<Env>, routes: readonly Route[], services: RouterServices): void {
  for (const route of routes)
    app.on(route.method.toUpperCase(), route.path.replace(/\{(\w+)\}/g, ':$1'), (c) => answer(c, route, services))
}

/** What a request says about who makes it. */
export function credentialsOf(headers: IncomingMessage['headers'], cookies: Cookies): Credentials {
  const [, token] = /^Bearer +(\S+)$/i.exec(headers.authorization ?? '') ?? []
  // A header that is no token is a wrong token: what follows must not happen in the name of a cookie.
  return {
    cookie: cookies.read(headers.cookie),
    token: headers.authorization === undefined ? undefined : (token ?? ''),
  }
}

/** Every error as an answer; those that nobody has thought of say nothing about their cause. */
export function errorAnswer(error: unknown, onError: (error: unknown) => void): Response {
  const known = error instanceof GatewayError ? error : unexpected(error, onError)
  const body: ApiError = { error: { code: known.code, message: known.message, hint: known.hint } }
  const headers = new Headers({ 'cache-control': 'no-store' })
  if (known.retryAfter !== null) headers.set('retry-after', String(known.retryAfter))
  if (known.status === 401) headers.set('www-authenticate', 'Bearer')
  return Response.json(body, { status: known.status, headers })
}

async function answer(c: Context<Env>, route: Route, services: RouterServices): Promise<Response> {
  const { headers } = c.env.incoming
  const credentials = credentialsOf(headers, services.cookies)
  services.origin.checkSite(headers)
  if (route.method !== 'get') services.origin.checkOrigin(headers, { required: credentials.token === undefined })
  const admit = async () => {
    const visitor = (await services.access.authenticate(credentials)) ?? null
    if (visitor && !mayCall(route, visitor)) await noteRefused(c, route, visitor, services)
    if (route.role !== 'everybody') checkCaller(route, visitor, credentials, services.now())
    return visitor
  }
  let visitor = await admit()
  if (route.upload) checkType(c.env.incoming, route.upload)
  const params = route.params && parse(route.params, c.req.param(), 'the path')
  const query = route.query && parse(route.query, queryOf(c), 'the query')
  const body = route.body && parse(route.body, await bodyOf(c.env.incoming, route.maxBody ?? MAX_BODY), 'the body')
  // A body may come slowly, and rights may be gone by then.
  if (route.body) visitor = await admit()
  const upload = uploadOf(c.env.incoming, route, admit)

  const call: Call<unknown, unknown, unknown> = {
    params,
    query,
    body,
    get upload() {
      return upload
    },
    visitor,
    get caller() {
      if (!visitor) throw unauthenticated()
      return visitor
    },
    address: services.addressOf(c.env.incoming),
    setCookie: (value) => c.header('Set-Cookie', services.cookies.write(value)),
  }
  const result = await route.handle(call as never)
  c.header('Cache-Control', 'no-store')
  if (route.answer === null) return c.body(null, 204)
  if (result instanceof Response) return withHeaders(result)
  return c.json(result)
}

function mayCall({ role }: Route, { actor }: Caller): boolean {
  return role === 'everybody' || mayActAs(actor.role, role)
}

/** Who only reads leaves no trace, and neither do they in vain. */
async function noteRefused(c: Context<Env>, route: Route, { actor }: Caller, services: RouterServices): Promise<void> {
  if (route.method === 'get') return
  const params = c.req.param() as Record<string, string>
  const object = route.params && v.is(route.params, params) ? Object.values(params)[0]! : ''
  await services.access.noteRefused(actor, `api.${route.id}`, object, services.addressOf(c.env.incoming))
}

function checkCaller(route: Route, visitor: Caller | null, { token }: Credentials, now: number): void {
  if (!visitor) throw token === undefined ? unauthenticated() : unknownToken()
  const { actor, login } = visitor
  if (route.person && !login)
    throw new GatewayError('FORBIDDEN', 'A token may not do this.', { hint: 'Log in as a person.' })
  if (!mayCall(route, visitor))
    throw new GatewayError('FORBIDDEN', `Only the role ${route.role} may do this, and you have ${actor.role}.`, {
      hint: 'Ask an admin.',
    })
  if (route.stepUp && login && (login.stepUpUntil ?? 0) <= now)
    throw new GatewayError('STEP_UP_REQUIRED', 'This needs your password again.', {
      hint: 'POST it to /api/step-up; it holds for 5 minutes.',
    })
}

const unauthenticated = () =>
  new GatewayError('UNAUTHENTICATED', 'You are not logged in, or not any more.', { hint: 'Log in, then repeat.' })

const unknownToken = () =>
  new GatewayError('UNAUTHENTICATED', 'This token is not known, or has ended.', {
    hint: 'Send `Authorization: Bearer TOKEN`. A token ends at its date, and with the user who made it; make a new one on the page.',
  })

/** Names what is wrong, never the value: it may be a key or a password. */
function parse(schema: NonNullable<Route['body']> | Params, value: unknown, where: string): unknown {
  const { success, output, issues } = v.safeParse(schema, value)
  if (success) return output
  const faults = issues.slice(0, 5).map((issue) => {
    const path = v.getDotPath(issue)
    const custom = !issue.message.startsWith('Invalid ')
    return `${path ?? where} ${custom ? issue.message : `must be ${issue.expected ?? 'left out'}`}`
  })
  throw new GatewayError('INVALID', `Wrong in ${where}: ${faults.join('; ')}.`, {
    hint: 'GET /api/openapi.json describes it.',
  })
}

function queryOf(c: Context): Record<string, string> {
  const all = c.req.queries()
  if (Object.values(all).some((values) => values.length > 1))
    throw new GatewayError('INVALID', 'A parameter of the query stands there twice.')
  return c.req.query()
}

async function bodyOf(request: IncomingMessage, max: number): Promise<unknown> {
  const type = request.headers['content-type'] ?? ''
  if (!/^application\/json\s*(;|$)/i.test(type))
    throw new GatewayError('INVALID', 'The body must be JSON.', { hint: 'Send `Content-Type: application/json`.' })
  const body = await readBody(request, max)
  let value: unknown
  try {
    value = JSON.parse(body)
  } catch {
    throw new GatewayError('INVALID', 'The body is not valid JSON.')
  }
  if (isDeeperThan(value, MAX_DEPTH)) throw new GatewayError('INVALID', `The body is nested deeper than ${MAX_DEPTH}.`)
  return value
}

function checkType(request: IncomingMessage, wanted: string): void {
  const type = (request.headers['content-type'] ?? '').split(';', 1)[0]!.trim().toLowerCase()
  if (type === wanted) return
  throw new GatewayError('INVALID', `The body must be ${wanted}.`, { hint: `Send \`Content-Type: ${wanted}\`.` })
}

async function readBody(request: IncomingMessage, max: number): Promise<string> {
  const chunks: Buffer[] = []
  for await (const chunk of chunksOf(request, max)) chunks.push(chunk)
  return Buffer.concat(chunks).toString('utf8')
}

async function* chunksOf(request: IncomingMessage, max: number): AsyncGenerator<Buffer, void, undefined> {
  let size = 0
  // The answer has to go out on the connection, so the rest of a body that is too large must not end it.
  const parts: AsyncIterator<Buffer> = request.iterator({ destroyOnReturn: false })
  for (;;) {
    const { done, value } = await parts.next().catch((cause) => {
      throw new GatewayError('INVALID', 'The body did not arrive whole.', { cause })
    })
    if (done) break
    size += value.length
    if (size > max) throw new GatewayError('TOO_LARGE', `The body is larger than the ${max} bytes that this takes.`)
    yield value
  }
}

/** The file that a request brings. Rights may be gone when it is there: they are asked for again before its end. */
async function* uploadOf(
  request: IncomingMessage,
  { upload, maxBody = MAX_BODY }: Route,
  admit: () => Promise<unknown>,
): AsyncGenerator<Uint8Array, void, undefined> {
  if (upload === undefined) return
  yield* chunksOf(request, maxBody)
  await admit()
}

function isDeeperThan(value: unknown, depth: number): boolean {
  if (typeof value !== 'object' || value === null) return false
  return depth === 0 || Object.values(value).some((child) => isDeeperThan(child, depth - 1))
}

function withHeaders(response: Response): Response {
  response.headers.set('cache-control', 'no-store')
  return response
}

function unexpected(error: unknown, onError: (error: unknown) => void): GatewayError {
  onError(error)
  return new GatewayError('INTERNAL', 'This is a fault of the gateway.', { hint: 'Its log has more.' })
}
