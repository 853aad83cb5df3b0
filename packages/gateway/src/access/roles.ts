import type { Role } from '../contract/access.js'

/** Each may do what those before it may. */
const ORDER: readonly Role[] = ['viewer', 'operator', 'admin']

/** Whether `role` may do what `needed` may. */
export const mayActAs = (role: Role, needed: Role): boolean => ORDER.indexOf(role) >= ORDER.indexOf(needed)

export const lesserRole = (one: Role, other: Role): Role => (mayActAs(one, other) ? other : one)
