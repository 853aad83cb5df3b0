const HOUR = 3_600_000

/**
 * Begins to move the time of day by hours, forward or back, a hundred times a second, and each time further: whichever date somebody
 * notes is soon over. Monotonic clocks do not move.
 */
export function letClockJump(): void {
  const RealDate = Date
  let jump = 0
  let furthest = 0
  const move = () => {
    furthest += HOUR
    jump = Math.random() < 0.5 ? furthest : -furthest
  }
  setInterval(move, 10).unref()
  globalThis.Date = class extends RealDate {
    static override now(): number {
      return RealDate.now() + jump
    }

    constructor(...args: unknown[]) {
      super(...((args.length > 0 ? args : [RealDate.now() + jump]) as [number]))
    }
  } as DateConstructor
}
