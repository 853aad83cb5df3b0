import type { Direction, WireWatcher } from './observed-dial.ts'

/** What is shown and kept, ms. */
export const SPAN = 60_000
/** A relay and a peer can send as they like: more than so many frames, marks and messages are not kept of each. */
const MOST = 4_000

/** A message of the WebSocket, as the relay sees it. */
export interface SeenFrame {
  /** ms of `performance.now`. */
  readonly at: number
  readonly direction: Direction
  /** Bytes. */
  readonly size: number
}

/** The WebSocket was opened or closed. */
export interface Mark {
  readonly at: number
  readonly opened: boolean
}

/** Somebody said something, which the two ends alone know. */
export interface Spoken {
  readonly at: number
  readonly direction: Direction
}

/** The last minute on the WebSocket, and what was said meanwhile. */
export class FrameLog implements WireWatcher {
  frames: readonly SeenFrame[] = []
  marks: readonly Mark[] = []
  spoken: readonly Spoken[] = []
  /** Frames since the beginning, or since {@link clear}. */
  total = 0

  onOpened(): void {
    this.marks = recent([...this.marks, { at: performance.now(), opened: true }])
  }

  onFrame(direction: Direction, size: number): void {
    this.total++
    this.frames = recent([...this.frames, { at: performance.now(), direction, size }])
  }

  onClosed(): void {
    this.marks = recent([...this.marks, { at: performance.now(), opened: false }])
  }

  onSpoken(direction: Direction): void {
    this.spoken = recent([...this.spoken, { at: performance.now(), direction }])
  }

  clear(): void {
    this.frames = []
    this.marks = []
    this.spoken = []
    this.total = 0
  }

  /** Forgets what is older than a minute. */
  trim(): void {
    this.frames = recent(this.frames)
    this.marks = recent(this.marks)
    this.spoken = recent(this.spoken)
  }

  count(direction: Direction): number {
    return this.frames.filter((frame) => frame.direction === direction).length
  }

  /** The sizes of the last minute and how often each was seen, the most frequent first. */
  sizes(): readonly (readonly [size: number, count: number])[] {
    const counts = new Map<number, number>()
    for (const { size } of this.frames) counts.set(size, (counts.get(size) ?? 0) + 1)
    return [...counts].sort(([, a], [, b]) => b - a)
  }
}

function recent<T extends { readonly at: number }>(entries: readonly T[]): readonly T[] {
  const from = performance.now() - SPAN
  const first = entries.findIndex(({ at }) => at >= from)
  if (first < 0) return []
  return entries.slice(Math.max(first, entries.length - MOST))
}
