// The plaintext of one frame of a channel (specification, section 12.4): always the same size, whatever it carries.
import { equalBytes, MAX_PLAINTEXT, UsmpError } from '@usmp/core'

/** Bytes. The longest plaintext of a single frame, so that a cell is never cut. */
export const CELL_SIZE = MAX_PLAINTEXT

const AT = { KIND: 0, ACK: 1, LATE: 5, ID: 9, STAMP: 13, DEADLINE: 19, LENGTH: 25, DATA: 27 } as const

/** Most bytes of a message in one cell. */
export const CELL_DATA = CELL_SIZE - AT.DATA
/** The longest message, bytes. */
export const MAX_CHANNEL_MESSAGE = 64 * 1024
/** Cells of the longest message. */
export const MAX_MESSAGE_CELLS = Math.ceil(MAX_CHANNEL_MESSAGE / CELL_DATA)
/** So many ids behind the last acknowledged one may be under way. */
export const WINDOW = 512
export const MAX_ID = 0xffffffff
/** Of an instance, bytes. */
export const INSTANCE_SIZE = 8
/** Largest time in a cell, ms: 48 bits. */
export const MAX_STAMP = 2 ** 48 - 1

export const CellKind = {
  /** Nothing but its header. */
  COVER: 0,
  /** A message, or the last part of one. */
  DATA: 1,
  /** A part of a message, with more to follow. */
  MORE: 2,
  /** The first cell of every session. */
  HELLO: 3,
  /** No more messages follow. */
  END: 4,
  /** Some ids carry nothing: their message is out of date. One that has begun is dropped. */
  SKIP: 5,
} as const
export type CellKind = (typeof CellKind)[keyof typeof CellKind]

export interface Cell {
  readonly kind: CellKind
  /** All ids up to this one are dealt with: taken by the application, or dropped as too late. 0 tells nothing. */
  readonly ack: number
  /** How many messages were dropped as too late, of those that `ack` covers. */
  readonly late: number
  /** Of DATA, MORE, END and SKIP, from 1 on; otherwise 0. */
  readonly id: number
  /** When it left, ms of the sender's lifetime clock since its session began. */
  readonly stamp: number
  /** Of DATA and MORE: until when the message may be delivered, on the clock of the *receiver's* stamps, ms; 0 for ever. */
  readonly deadline: number
  /** 0 to 425 bytes. */
  readonly data: Uint8Array
}

const ZEROS = new Uint8Array(CELL_SIZE)

/** 452 bytes. */
export function encodeCell({ kind, ack, late, id, stamp, deadline, data }: Cell): Uint8Array {
  const cell = new Uint8Array(CELL_SIZE)
  const view = new DataView(cell.buffer)
  cell[AT.KIND] = kind
  view.setUint32(AT.ACK, ack, true)
  view.setUint32(AT.LATE, late, true)
  view.setUint32(AT.ID, id, true)
  writeTime(view, AT.STAMP, stamp)
  writeTime(view, AT.DEADLINE, deadline)
  view.setUint16(AT.LENGTH, data.length, true)
  cell.set(data, AT.DATA)
  return cell
}

/**
 * What a cell says, with a copy of its data. There is one encoding of each cell, and every other one is refused.
 * @throws UsmpError INVALID_RESPONSE
 */
export function decodeCell(bytes: Uint8Array): Cell {
  if (bytes.length !== CELL_SIZE) throw violation(`a cell has ${bytes.length} bytes and not ${CELL_SIZE}`)
  const view = new DataView(bytes.buffer, bytes.byteOffset, CELL_SIZE)
  const length = view.getUint16(AT.LENGTH, true)
  if (length > CELL_DATA) throw violation(`the length in a cell is ${length}`)
  const end = AT.DATA + length
  if (!equalBytes(bytes.subarray(end), ZEROS.subarray(end))) throw violation('the padding of a cell is not zero')
  const cell: Cell = {
    kind: bytes[AT.KIND] as CellKind,
    ack: view.getUint32(AT.ACK, true),
    late: view.getUint32(AT.LATE, true),
    id: view.getUint32(AT.ID, true),
    stamp: readTime(view, AT.STAMP),
    deadline: readTime(view, AT.DEADLINE),
    data: new Uint8Array(bytes.subarray(AT.DATA, end)),
  }
  if (!rules[cell.kind]?.(cell)) throw violation(`a cell does not look like one of the kind ${cell.kind}`)
  return cell
}

const hasNoId = ({ id, deadline }: Cell) => id === 0 && deadline === 0
const hasId = ({ id }: Cell) => id > 0

/** What else holds for the cells of each kind. */
const rules: Readonly<Record<number, (cell: Cell) => boolean>> = {
  [CellKind.COVER]: (cell) => hasNoId(cell) && cell.data.length === 0,
  [CellKind.DATA]: hasId,
  [CellKind.MORE]: (cell) => hasId(cell) && cell.data.length === CELL_DATA,
  [CellKind.HELLO]: (cell) => hasNoId(cell) && cell.ack === 0 && cell.late === 0 && cell.data.length === HELLO_SIZE,
  [CellKind.END]: (cell) => hasId(cell) && cell.deadline === 0 && cell.data.length === 0,
  [CellKind.SKIP]: (cell) => hasId(cell) && cell.deadline === 0 && cell.data.length === COUNT_SIZE,
}

/** The error of a cell that no honest peer sends. */
export function violation(detail: string): UsmpError {
  return new UsmpError('INVALID_RESPONSE', `the peer breaks the rules of the channel: ${detail}`, {
    hint: 'The peer is faulty, hostile, or speaks no channel (`--no-channel` of the command).',
  })
}

// ─── what is inside ───

const HELLO_VERSION = 1
const HELLO_SIZE = 1 + 2 * INSTANCE_SIZE + 4
const COUNT_SIZE = 4

/** Inside the first cell of every session. */
export interface Hello {
  /** 8 random bytes that the channel of a process has. */
  readonly instance: Uint8Array
  /** The last instance of the peer that this end knows; zeros for none. */
  readonly seen: Uint8Array
  /** The next id that this end expects. */
  readonly next: number
}

export function encodeHello({ instance, seen, next }: Hello): Uint8Array {
  const data = new Uint8Array(HELLO_SIZE)
  data[0] = HELLO_VERSION
  data.set(instance, 1)
  data.set(seen, 1 + INSTANCE_SIZE)
  new DataView(data.buffer).setUint32(1 + 2 * INSTANCE_SIZE, next, true)
  return data
}

/**
 * @param data of a cell of this kind
 * @throws UsmpError INVALID_RESPONSE
 */
export function decodeHello(data: Uint8Array): Hello {
  if (data[0] !== HELLO_VERSION) {
    throw new UsmpError('INVALID_RESPONSE', `the peer speaks version ${data[0]} of the channel, this end version 1`, {
      hint: 'Bring both peers to the same release.',
    })
  }
  const seenAt = 1 + INSTANCE_SIZE
  const nextAt = seenAt + INSTANCE_SIZE
  return {
    instance: data.slice(1, seenAt),
    seen: data.slice(seenAt, nextAt),
    next: new DataView(data.buffer, data.byteOffset).getUint32(nextAt, true),
  }
}

/** Inside a SKIP: how many ids it is about. */
export function encodeCount(count: number): Uint8Array {
  const data = new Uint8Array(COUNT_SIZE)
  new DataView(data.buffer).setUint32(0, count, true)
  return data
}

/**
 * @param data of a cell of this kind
 * @throws UsmpError INVALID_RESPONSE if it is not from 1 to the cells of the longest message
 */
export function decodeCount(data: Uint8Array): number {
  const count = new DataView(data.buffer, data.byteOffset).getUint32(0, true)
  if (count < 1 || count > MAX_MESSAGE_CELLS) throw violation(`it skips ${count} ids`)
  return count
}

function writeTime(view: DataView, at: number, time: number): void {
  view.setUint32(at, time >>> 0, true)
  view.setUint16(at + 4, Math.floor(time / 2 ** 32), true)
}

function readTime(view: DataView, at: number): number {
  return view.getUint32(at, true) + view.getUint16(at + 4, true) * 2 ** 32
}
