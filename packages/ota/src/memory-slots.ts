import type { DevicePort, Slot } from './device-port.js'
import { activated, factoryTable, otherSlot, type SlotTable, startOf, withState } from './slot-table.js'

/** As flash is erased. */
const ERASED = 0xff

/** Options of {@link MemorySlots}. */
export interface MemorySlotsOptions {
  /** Bytes of each slot; default 1 MiB. */
  readonly slotSize?: number
  /** Called before each change of the slots, the table or the record; what it throws is a failure, or a power cut, in tests. */
  readonly onChange?: (what: 'begin' | 'write' | 'activate' | 'confirm' | 'revert' | 'start' | 'store') => void
}

/** Two slots, a boot loader and a record in memory, for simulators and tests. They take no more memory than images fill. */
export class MemorySlots implements DevicePort {
  readonly #slotSize: number
  readonly #onChange: NonNullable<MemorySlotsOptions['onChange']>
  readonly #images: [Uint8Array, Uint8Array] = [new Uint8Array(0), new Uint8Array(0)]
  #table: SlotTable = factoryTable
  #running = 0
  #record: Uint8Array | undefined

  constructor({ slotSize = 1 << 20, onChange = () => {} }: MemorySlotsOptions = {}) {
    this.#slotSize = slotSize
    this.#onChange = onChange
  }

  /** What the boot loader does at a start; afterwards the image of `running` runs. */
  start(): void {
    const { running, table } = startOf(this.#table)
    if (table !== this.#table) this.#onChange('start')
    this.#table = table
    this.#running = running
  }

  /** The image that runs; empty for the one of the factory. */
  get runningImage(): Uint8Array {
    return this.#images[this.#running]!
  }

  async slots(): Promise<{ running: Slot; other: Slot }> {
    return { running: this.#slot(this.#running), other: this.#slot(this.#other) }
  }

  async begin(size: number, from: number): Promise<void> {
    this.#onChange('begin')
    const image = new Uint8Array(size).fill(ERASED)
    image.set(this.#images[this.#other]!.subarray(0, from))
    this.#images[this.#other] = image
    this.#table = withState(this.#table, this.#other, 'undefined')
  }

  async write(offset: number, data: Uint8Array): Promise<void> {
    this.#onChange('write')
    this.#images[this.#other]!.set(data, offset)
  }

  async flush(): Promise<void> {}

  async read(offset: number, length: number): Promise<Uint8Array> {
    return this.#images[this.#other]!.slice(offset, offset + length)
  }

  async finish(): Promise<boolean> {
    return true
  }

  async activate(): Promise<void> {
    this.#onChange('activate')
    this.#table = activated(this.#table, this.#other)
  }

  async confirm(): Promise<void> {
    this.#onChange('confirm')
    this.#table = withState(this.#table, this.#running, 'valid')
  }

  async revert(): Promise<void> {
    this.#onChange('revert')
    this.#table = withState(this.#table, this.#running, 'invalid')
  }

  async load(): Promise<Uint8Array | undefined> {
    return this.#record
  }

  async store(record: Uint8Array): Promise<void> {
    this.#onChange('store')
    this.#record = record.slice()
  }

  get #other(): number {
    return otherSlot(this.#running)
  }

  #slot(index: number): Slot {
    return { index, state: this.#table.states[index]!, size: this.#slotSize }
  }
}
