/** Begins to move the time of day by hours, forward and back, a hundred times a second. Monotonic clocks do not move. */
export function letClockJump(): void {
  const RealDate = Date
  let jump = 0
  setInterval(() => (jump = (Math.random() - 0.5) * 48 * 3_600_000), 10).unref()
  globalThis.Date = class extends RealDate {
    static override now(): number {
      return RealDate.now() + jump
    }

    constructor(...args: unknown[]) {
      super(...((args.length > 0 ? args : [RealDate.now() + jump]) as [number]))
    }
  } as DateConstructor
}
