import { mayActAs } from '../access/roles.js'
import type { Role } from '../contract/access.js'
import type { RequestOutcome } from '../contract/commands.js'

/** A request as a role may see it: viewers see that there was one and how it ended, not what was said. */
export function outcomeFor(role: Role, outcome: RequestOutcome): RequestOutcome {
  if (mayActAs(role, 'operator')) return outcome
  const { id, at, by, method, duration, error } = outcome
  const message = 'Operators see what the device has answered.'
  return { id, at, by, method, duration, ...(error && { error: { code: error.code, message } }) }
}
