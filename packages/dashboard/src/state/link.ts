import { computed, signal } from '@preact/signals'
import type { JoinWindow, SystemInfo } from '@usmp/gateway/contract'

/** The way from the page to the gateway. `stale`: connected, but nothing has come for longer than it should. */
export type Link =
  | { readonly state: 'connecting' }
  | { readonly state: 'live' }
  | { readonly state: 'stale' }
  /** `retryAt`: when the page tries again by itself, ms by `performance.now()`; null: it is trying now. */
  | { readonly state: 'lost'; readonly since: number; readonly retryAt: number | null }

export const link = signal<Link>({ state: 'connecting' })

/** Nothing may be changed without a connection: what the page shows may be old. */
export const connected = computed(() => link.value.state === 'live' || link.value.state === 'stale')
/** What the page shows is not known to be true now. */
export const doubtful = computed(() => link.value.state !== 'live')

export const join = signal<JoinWindow | null>(null)
export const broker = signal<SystemInfo['broker'] | null>(null)
export const store = signal<SystemInfo['store'] | null>(null)
/** Knocks of unknown devices while nobody could join, since the start of the gateway. */
export const knocksWhileClosed = signal(0)
