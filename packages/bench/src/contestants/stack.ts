/** What connects two ends of this process over TCP on the loopback interface. */
export interface Visitor {
  readonly name: string
  /** Connects and gets one byte echoed; resolves with what closes the connection again, on both ends. */
  visit(): Promise<() => Promise<void>>
}

/** What also carries messages between them. */
export interface Stack extends Visitor {
  /** Sends messages one way and waits until the last one has arrived. */
  pour(count: number): Promise<void>
  /** Sends messages that come back, with at most `window` of them under way. */
  echo(count: number, window: number): Promise<void>
}

/** Opens a stack for messages of one size; what it holds open is handed to `atEnd`. */
export type StackOpener<S extends Visitor = Stack> = (size: number, atEnd: (close: () => unknown) => void) => Promise<S>

/** Lets a sender wait until a receiver in the same process has so much. */
export class Arrivals {
  #missing = 0
  #done: (() => void) | undefined

  /** Resolves when `amount` has been added from now on. */
  expect(amount: number): Promise<void> {
    this.#missing = amount
    return new Promise((resolve) => (this.#done = resolve))
  }

  add(amount: number): void {
    this.#missing -= amount
    if (this.#missing <= 0) this.#done?.()
  }
}
