import { signal } from '@preact/signals'

/** One line that tells how something went. */
export interface Notice {
  readonly id: number
  readonly kind: 'done' | 'failed'
  readonly text: string
  /** What to do about it. */
  readonly hint: string | null
}

/** A success leaves by itself; a failure stays until somebody has read it. */
const SHOWN_FOR = 6_000
const MOST = 4

export const notices = signal<readonly Notice[]>([])
let last = 0

function add(kind: Notice['kind'], text: string, hint: string | null): number {
  const id = ++last
  notices.value = [...notices.value, { id, kind, text, hint }].slice(-MOST)
  return id
}

export function dismissNotice(id: number): void {
  notices.value = notices.value.filter((notice) => notice.id !== id)
}

export function tellDone(text: string): void {
  const id = add('done', text, null)
  setTimeout(() => dismissNotice(id), SHOWN_FOR)
}

export function tellFailure(error: unknown): void {
  const hint = error instanceof Error && 'hint' in error && typeof error.hint === 'string' ? error.hint : null
  add('failed', error instanceof Error ? error.message : String(error), hint)
}
