import { GatewayError } from '../errors.js'
import { openStore, type StoreOptions } from '../store/open.js'
import { askGateway } from './control.js'
import { resetPassword } from './reset-password.js'

/**
 * A new link for the first user, in place of the one before.
 * @returns null if there is a user
 * @throws GatewayError WRONG_STATE if no gateway runs with this folder
 */
export async function newSetupLink(folder: string): Promise<string | null> {
  const answer = await askGateway(folder, { command: 'setup' })
  if (answer) return answer.result
  throw new GatewayError('WRONG_STATE', `no gateway runs with the folder ${folder}`, {
    hint: 'Start it with `usmp gateway`; on a terminal it prints the link. Does --data name the same folder?',
  })
}

/**
 * Gives a user a new random password, in the gateway that runs with this folder, or else in its store.
 * @returns the password
 * @throws GatewayError NOT_FOUND, STORE_FAILED
 */
export async function resetPasswordOf(folder: string, name: string, options: StoreOptions = {}): Promise<string> {
  const answer = await askGateway(folder, { command: 'reset-password', name })
  if (answer?.result) return answer.result
  const store = await openStore(folder, options)
  try {
    return await resetPassword(store, name)
  } finally {
    await store.close()
  }
}
