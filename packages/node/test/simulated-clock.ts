import { SimulatedTime } from '../../core/test/simulated-time.ts'

/** Time that passes when a test says so. I/O goes on in real time. */
export class SimulatedClock extends SimulatedTime {
  defer(callback: () => void): void {
    process.nextTick(callback)
  }

  yieldToEventLoop(callback: () => void): void {
    setImmediate(callback)
  }

  /** Lets `ms` pass and fires what becomes due, in order. */
  advance(ms: number): void {
    const end = this.now() + ms
    while (this.step(end));
  }
}
