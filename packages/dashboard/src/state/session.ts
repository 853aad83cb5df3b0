import { computed, signal } from '@preact/signals'
import type { Role, WhoAmI } from '@usmp/gateway/contract'

/** Who uses the page; null until the gateway has said so. */
export const me = signal<WhoAmI | null>(null)

export const role = computed<Role | null>(() => me.value?.user?.role ?? null)

const RANK: Record<Role, number> = { viewer: 0, operator: 1, admin: 2 }
const WHO: Record<Role, string> = {
  viewer: 'Log in first.',
  operator: 'Only operators and admins may do this.',
  admin: 'Only admins may do this.',
}

/** Why the user may not do what needs `needed`; null: they may. */
export function forbidden(needed: Role): string | null {
  return role.value !== null && RANK[role.value] >= RANK[needed] ? null : WHO[needed]
}

/** The gateway does not know the login any more: the page shows the log-in, and stays where it is. */
export function loggedOut(): void {
  if (me.value) me.value = { ...me.value, user: null, stepUpUntil: null }
}
