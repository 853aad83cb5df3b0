import * as v from 'valibot'
import type { Access, Caller } from '../../access/access.js'
import { publicUser } from '../../access/users.js'
import * as contract from '../../contract/access.js'
import { name } from '../../contract/text.js'
import { GatewayError } from '../../errors.js'
import type { Operations } from '../../operations.js'
import { type Route, route } from '../route.js'

const PASSWORD_ERRORS = ['WRONG_PASSWORD', 'TOO_MANY'] as const

/** Setup, login and logout, and what a person changes about their own login. */
export function accessRoutes(access: Access, operations: Operations): Route[] {
  const whoAmI = async (caller: Caller | null): Promise<contract.WhoAmI> => ({
    setupNeeded: await access.users.isEmpty(),
    user: caller?.login ? { name: caller.actor.name, role: caller.actor.role } : null,
    stepUpUntil: caller?.login?.stepUpUntil ?? null,
    site: operations.system().site,
  })
  /** Who that is whom this cookie was just made for. */
  const newcomer = async (cookie: string) => whoAmI((await access.authenticate({ cookie, token: undefined })) ?? null)
  const loginOf = ({ login }: Caller) => {
    if (!login) throw new GatewayError('FORBIDDEN', 'A token has no login.')
    return login
  }

  return [
    route({
      method: 'get',
      path: '/api/me',
      id: 'me',
      summary: 'Who is logged in, and whether the setup link is still to be used',
      role: 'everybody',
      answer: { json: contract.whoAmI },
      handle: ({ visitor }) => whoAmI(visitor),
    }),
    route({
      method: 'post',
      path: '/api/setup',
      id: 'setup',
      summary: 'Makes the first user, an admin, with the token of the setup link',
      role: 'everybody',
      body: contract.setup,
      answer: { json: contract.whoAmI },
      errors: ['SETUP_CLOSED', 'TOO_MANY', 'STORE_FAILED'],
      handle: async ({ body, setCookie }) => {
        const cookie = await access.setup(body)
        setCookie(cookie)
        return newcomer(cookie)
      },
    }),
    route({
      method: 'post',
      path: '/api/login',
      id: 'login',
      summary: 'Logs a person in; the cookie is the answer',
      role: 'everybody',
      body: contract.login,
      answer: { json: contract.whoAmI },
      errors: [...PASSWORD_ERRORS, 'STORE_FAILED'],
      handle: async ({ body, address, setCookie, visitor }) => {
        const cookie = await access.logIn(body, address)
        if (visitor) await access.logOut(visitor)
        setCookie(cookie)
        return newcomer(cookie)
      },
    }),
    route({
      method: 'post',
      path: '/api/logout',
      id: 'logout',
      summary: 'Ends this login',
      role: 'viewer',
      person: true,
      answer: null,
      errors: ['STORE_FAILED'],
      handle: async ({ caller, setCookie }) => {
        await access.logOut(caller)
        setCookie(null)
      },
    }),
    route({
      method: 'post',
      path: '/api/logout-everywhere',
      id: 'logoutEverywhere',
      summary: 'Ends all logins of the person, this one too',
      role: 'viewer',
      person: true,
      answer: null,
      errors: ['STORE_FAILED'],
      handle: async ({ caller, setCookie }) => {
        await access.users.endLogins(caller.actor, caller.actor.name)
        setCookie(null)
      },
    }),
    route({
      method: 'post',
      path: '/api/step-up',
      id: 'stepUp',
      summary: 'Gives the password again, for dangerous acts within the next 5 minutes',
      role: 'viewer',
      person: true,
      body: contract.stepUp,
      answer: { json: contract.whoAmI },
      errors: [...PASSWORD_ERRORS, 'STORE_FAILED'],
      handle: async ({ caller, body, address }) => {
        const stepUpUntil = await access.stepUp(loginOf(caller), body.password, address)
        return { ...(await whoAmI(caller)), stepUpUntil }
      },
    }),
    route({
      method: 'post',
      path: '/api/password',
      id: 'changePassword',
      summary: 'Changes the own password; all other logins of the person end',
      role: 'viewer',
      person: true,
      body: contract.changeOwnPassword,
      answer: { json: contract.whoAmI },
      errors: [...PASSWORD_ERRORS, 'CONFLICT', 'STORE_FAILED'],
      handle: async ({ caller, body, address, setCookie }) => {
        const cookie = await access.changePassword(caller.actor, body, address)
        setCookie(cookie)
        return newcomer(cookie)
      },
    }),
    ...userRoutes(access),
    ...tokenRoutes(access),
  ]
}

/** Users and tokens are for people only: else who has stolen a token could make themselves a place to stay. */
const ADMIN = { role: 'admin', person: true } as const

function userRoutes(access: Access): Route[] {
  const params = v.object({ name: contract.userName })
  return [
    route({
      ...ADMIN,
      method: 'get',
      path: '/api/users',
      id: 'users',
      summary: 'All users',
      answer: { json: contract.userList },
      handle: async () => ({ users: await access.users.list() }),
    }),
    route({
      ...ADMIN,
      stepUp: true,
      method: 'post',
      path: '/api/users',
      id: 'createUser',
      summary: 'Makes a user',
      body: contract.createUser,
      answer: { json: contract.user },
      errors: ['EXISTS', 'TOO_MANY', 'STORE_FAILED'],
      handle: async ({ caller, body }) => publicUser(await access.users.create(caller.actor, body)),
    }),
    route({
      ...ADMIN,
      stepUp: true,
      method: 'patch',
      path: '/api/users/{name}',
      id: 'changeUser',
      summary: 'Changes role or password of a user; all their logins end',
      params,
      body: contract.changeUser,
      answer: { json: contract.user },
      errors: ['NOT_FOUND', 'CONFLICT', 'WRONG_STATE', 'TOO_MANY', 'STORE_FAILED'],
      handle: async ({ caller, params, body }) =>
        publicUser(await access.users.change(caller.actor, params.name, body)),
    }),
    route({
      ...ADMIN,
      stepUp: true,
      method: 'delete',
      path: '/api/users/{name}',
      id: 'removeUser',
      summary: 'Removes a user, with the tokens that they have made; all their logins end',
      params,
      query: contract.removeUserQuery,
      answer: null,
      errors: ['NOT_FOUND', 'CONFLICT', 'WRONG_STATE', 'STORE_FAILED'],
      handle: ({ caller, params, query }) => access.removeUser(caller.actor, params.name, query.rev),
    }),
  ]
}

function tokenRoutes(access: Access): Route[] {
  return [
    route({
      ...ADMIN,
      method: 'get',
      path: '/api/tokens',
      id: 'tokens',
      summary: 'All tokens for scripts, without their secret part',
      answer: { json: contract.tokenList },
      handle: async () => ({ tokens: await access.tokens.list() }),
    }),
    route({
      ...ADMIN,
      stepUp: true,
      method: 'post',
      path: '/api/tokens',
      id: 'createToken',
      summary: 'Makes a token for scripts, and shows it this once',
      body: contract.createToken,
      answer: { json: contract.createdToken },
      errors: ['TOO_MANY', 'STORE_FAILED'],
      handle: ({ caller, body }) => access.tokens.create(caller.actor, body),
    }),
    route({
      ...ADMIN,
      stepUp: true,
      method: 'delete',
      path: '/api/tokens/{id}',
      id: 'removeToken',
      summary: 'Removes a token; it is void at once',
      params: v.object({ id: name }),
      answer: null,
      errors: ['NOT_FOUND', 'STORE_FAILED'],
      handle: ({ caller, params }) => access.tokens.remove(caller.actor, params.id),
    }),
  ]
}
