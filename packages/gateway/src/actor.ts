import type { Role } from './contract/access.js'

/** Who does something: a person, a script, the command line, or the gateway itself. */
export interface Actor {
  /** As it stands in the audit log: the name of a user, `token:NAME`, `cli` or `gateway`. */
  readonly name: string
  readonly role: Role
}

/** What the gateway does by itself, by a timer or a device. */
export const GATEWAY: Actor = { name: 'gateway', role: 'admin' }
