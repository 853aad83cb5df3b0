import { copyFile, type FileHandle, mkdir, open, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { UsmpError } from '@usmp/core'
import { checkOptions, integer, type TableOf, text } from '@usmp/core/options'
import * as v from 'valibot'
import type { DevicePort, Slot } from '../device-port.js'
import { activated, factoryTable, otherSlot, type SlotTable, startOf, withState } from '../slot-table.js'
import { replaceFile } from './durable.js'

/** Names in the folder. */
const imageFile = (folder: string, index: number) => join(folder, `slot-${index}`)
const tableFile = (folder: string) => join(folder, 'slots.json')
const recordFile = (folder: string) => join(folder, 'record.json')

const state = v.picklist(['undefined', 'new', 'pending', 'valid', 'invalid', 'aborted'])
const stored = v.object({
  format: v.literal(1),
  active: v.picklist([0, 1]),
  states: v.tuple([state, state]),
})

/** What {@link startSlots} has decided. */
export interface StartedSlot {
  /** 0 or 1: for the option `running` of {@link FileSlots.open}. */
  readonly running: number
  /** The image to be run. */
  readonly path: string
}

/**
 * Makes the folder of a device, with its first image in slot 0.
 * @param image a file; copied
 * @throws UsmpError INVALID_ARGUMENT if there is one; the fault of the file system
 */
export async function installSlots(folder: string, image: string): Promise<void> {
  await mkdir(folder, { recursive: true, mode: 0o700 })
  if (await readIfThere(tableFile(folder))) {
    throw new UsmpError('INVALID_ARGUMENT', `${folder} has slots already`, {
      hint: 'A device that was installed is updated, not installed again. To begin from the start, remove the folder.',
    })
  }
  await copyFile(image, imageFile(folder, 0))
  const file = await open(imageFile(folder, 0), 'r+')
  await file.sync().finally(() => file.close())
  // Last: a folder without it is no device yet.
  await storeTable(folder, factoryTable)
}

/**
 * What a boot loader does, for whatever starts the program of a device: decides which slot is started, and notes it first. An image that
 * is new runs on trial; one that was on trial at the last start, and did not confirm itself, is given up for the other slot. Call it once
 * for each start of the program, and not while it runs.
 * @throws Error if no slot has an image that may be started, or the folder is damaged
 */
export async function startSlots(folder: string): Promise<StartedSlot> {
  const before = await loadTable(folder)
  const { running, table } = startOf(before)
  if (table !== before) await storeTable(folder, table)
  return { running, path: imageFile(folder, running) }
}

/** Options of {@link FileSlots.open}. */
export interface FileSlotsOptions {
  /** As {@link installSlots} has made it. */
  readonly folder: string
  /** The slot whose image runs, as {@link startSlots} has said. */
  readonly running: number
  /** Bytes that an image may have; default 64 MiB. */
  readonly slotSize?: number
}

/** Of {@link FileSlots.open}. */
export const fileSlotsTable: TableOf<FileSlotsOptions> = {
  folder: { ...text, required: true },
  running: { ...integer(0, 1), required: true },
  slotSize: integer(1, 0xffff_ffff),
}

const DEFAULT_SLOT_SIZE = 64 * 1024 * 1024

/**
 * Two slots in files, for a device that is a Node program: a folder with `slot-0`, `slot-1`, `slots.json` (which slot is started next, and
 * the state of each) and `record.json`. What is told to be kept is on the disk when the promise resolves. One process at a time.
 */
export class FileSlots implements DevicePort {
  readonly #folder: string
  readonly #running: number
  readonly #slotSize: number
  #table: SlotTable
  /** Of the other slot, between `begin` and `finish`. */
  #file: FileHandle | undefined

  private constructor({ folder, running, slotSize = DEFAULT_SLOT_SIZE }: FileSlotsOptions, slotTable: SlotTable) {
    this.#folder = folder
    this.#running = running
    this.#slotSize = slotSize
    this.#table = slotTable
  }

  /** @throws UsmpError INVALID_ARGUMENT; Error if the folder is damaged */
  static async open(options: FileSlotsOptions): Promise<FileSlots> {
    checkOptions('FileSlots.open', options, fileSlotsTable)
    return new FileSlots(options, await loadTable(options.folder))
  }

  async slots(): Promise<{ running: Slot; other: Slot }> {
    return { running: this.#slot(this.#running), other: this.#slot(this.#other) }
  }

  async begin(size: number, from: number): Promise<void> {
    await this.close()
    // First: half an image must never look like one that may be started.
    await this.#setTable(withState(this.#table, this.#other, 'undefined'))
    this.#file = await open(imageFile(this.#folder, this.#other), from === 0 ? 'w+' : 'r+', 0o700)
    await this.#file.truncate(from)
    await this.#file.truncate(size)
  }

  async write(offset: number, data: Uint8Array): Promise<void> {
    await writeAll(await this.#opened(), offset, data)
  }

  async flush(): Promise<void> {
    await this.#file?.sync()
  }

  async read(offset: number, length: number): Promise<Uint8Array> {
    const file = await this.#opened()
    const bytes = new Uint8Array(length)
    const { bytesRead } = await file.read(bytes, 0, length, offset)
    if (bytesRead !== length) throw new Error(`slot ${this.#other} ends at byte ${offset + bytesRead}`)
    return bytes
  }

  async finish(): Promise<boolean> {
    await this.flush()
    await this.close()
    return true
  }

  async activate(): Promise<void> {
    await this.#setTable(activated(this.#table, this.#other))
  }

  async confirm(): Promise<void> {
    await this.#setTable(withState(this.#table, this.#running, 'valid'))
  }

  async revert(): Promise<void> {
    await this.#setTable(withState(this.#table, this.#running, 'invalid'))
  }

  async load(): Promise<Uint8Array | undefined> {
    return readIfThere(recordFile(this.#folder))
  }

  async store(record: Uint8Array): Promise<void> {
    await replaceFile(recordFile(this.#folder), record)
  }

  /** Closes the file of a transfer that is not at its end. */
  async close(): Promise<void> {
    const file = this.#file
    this.#file = undefined
    await file?.close()
  }

  get #other(): number {
    return otherSlot(this.#running)
  }

  #slot(index: number): Slot {
    return { index, state: this.#table.states[index]!, size: this.#slotSize }
  }

  async #opened(): Promise<FileHandle> {
    this.#file ??= await open(imageFile(this.#folder, this.#other), 'r+')
    return this.#file
  }

  async #setTable(next: SlotTable): Promise<void> {
    await storeTable(this.#folder, next)
    this.#table = next
  }
}

async function writeAll(file: FileHandle, offset: number, data: Uint8Array): Promise<void> {
  for (let done = 0; done < data.length; ) {
    const { bytesWritten } = await file.write(data, done, data.length - done, offset + done)
    done += bytesWritten
  }
}

async function loadTable(folder: string): Promise<SlotTable> {
  return v.parse(stored, JSON.parse(await readFile(tableFile(folder), 'utf8')))
}

async function storeTable(folder: string, { active, states }: SlotTable): Promise<void> {
  await replaceFile(tableFile(folder), Buffer.from(`${JSON.stringify({ format: 1, active, states })}\n`))
}

async function readIfThere(path: string): Promise<Uint8Array | undefined> {
  try {
    return await readFile(path)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
}
