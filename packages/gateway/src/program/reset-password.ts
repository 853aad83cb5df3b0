import { randomBytes } from 'node:crypto'
import { Passwords } from '../access/passwords.js'
import { Users } from '../access/users.js'
import type { Actor } from '../actor.js'
import { GatewayError } from '../errors.js'
import type { Store } from '../store/store.js'

const PASSWORD_SIZE = 15
const CLI: Actor = { name: 'cli', role: 'admin' }

/**
 * Gives a user a new random password, for somebody who is locked out; all logins of the user end.
 * @returns the password
 * @throws GatewayError NOT_FOUND, STORE_FAILED
 */
export async function resetPassword(store: Store, name: string): Promise<string> {
  const users = new Users(store, new Passwords(), Date.now)
  const user = await users.get(name)
  if (!user) {
    const names = (await users.list()).map((one) => one.name)
    throw new GatewayError('NOT_FOUND', `there is no user ${name}`, {
      hint: names.length > 0 ? `There are: ${names.join(', ')}.` : 'There is no user at all yet: `usmp gateway setup`.',
    })
  }
  const password = randomBytes(PASSWORD_SIZE).toString('base64url')
  await users.change(CLI, name, { rev: user.rev, password })
  return password
}
