/** What the boot loader notes of a slot, as ESP-IDF has it. */
export type SlotState =
  /** Nothing: the image came by cable, is not whole, or the boot loader does not go back from images. */
  | 'undefined'
  /** Made active, not started yet. */
  | 'new'
  /** Started for the first time, and not confirmed: the next start goes back. */
  | 'pending'
  /** Confirmed. */
  | 'valid'
  /** The application said no. */
  | 'invalid'
  /** Was pending, and did not confirm before the next start. */
  | 'aborted'

/** One of two places for an image. */
export interface Slot {
  /** 0 or 1; stays the same. */
  readonly index: number
  readonly state: SlotState
  /** Bytes that an image may have. */
  readonly size: number
}

/**
 * What a device does with its storage and its boot loader. Each promise that rejects is a failure of the storage; the device then refuses
 * the offer, or gives the transfer up, with FLASH. One call at a time. {@link MemorySlots} is one; `FileSlots` of `@usmp/ota/node` another.
 */
export interface DevicePort {
  /** The slot whose image runs, and the other one. */
  slots(): Promise<{ readonly running: Slot; readonly other: Slot }>
  /**
   * The other slot is to take an image of `size` bytes, from offset `from` on: a multiple of 4096. What stands before it stays, the rest is
   * erased. The state of the slot is `undefined` then.
   */
  begin(size: number, from: number): Promise<void>
  /** 1 to 440 bytes: each begins where the last one ended, the first at `from`. */
  write(offset: number, data: Uint8Array): Promise<void>
  /** What was written outlives a power cut. */
  flush(): Promise<void>
  /** Of the other slot. */
  read(offset: number, length: number): Promise<Uint8Array>
  /** The image is whole and its hash is right. False: the boot loader would not take it. */
  finish(): Promise<boolean>
  /** The next start is of the image in the other slot. */
  activate(): Promise<void>
  /** The running image stays. */
  confirm(): Promise<void>
  /** The running image is never started again: the next start is of the other slot. */
  revert(): Promise<void>
  /** The record that was stored last, undefined if none ever was. Rejects if it cannot be read: that must not bring old keys back. */
  load(): Promise<Uint8Array | undefined>
  /** Atomic: after a power cut `load` gives what was stored before, or this. */
  store(record: Uint8Array): Promise<void>
}
