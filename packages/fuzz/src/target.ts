/** Something that takes whatever bytes and keeps its promises. */
export interface Target {
  /** What takes long and is done once. */
  prepare?(): void
  /** Inputs to begin with when there is no corpus. */
  seeds(): readonly Uint8Array[]
  /** Throws where a promise is broken; the same for the same input. */
  run(input: Uint8Array): void | Promise<void>
}

/** Reads an input as choices and numbers; behind its end everything is 0. */
export class Choices {
  readonly #input: Uint8Array
  #at = 0

  constructor(input: Uint8Array) {
    this.#input = input
  }

  get left(): number {
    return this.#input.length - this.#at
  }

  byte(): number {
    return this.#at < this.#input.length ? this.#input[this.#at++]! : 0
  }

  number(): number {
    return this.byte() | (this.byte() << 8)
  }

  /** Up to `length` bytes; fewer at the end. */
  bytes(length: number): Uint8Array {
    const out = this.#input.slice(this.#at, this.#at + length)
    this.#at += out.length
    return out
  }
}

/** Fails with the words unless it holds. */
export function must(holds: boolean, words: string): asserts holds {
  if (!holds) throw new Error(words)
}
