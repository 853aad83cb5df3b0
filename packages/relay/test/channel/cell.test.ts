import { fc, test } from '@fast-check/vitest'
import { bytesOf } from '@usmp/testing'
import { describe, expect } from 'vitest'
import {
  CELL_DATA,
  CELL_SIZE,
  type Cell,
  CellKind,
  decodeCell,
  decodeCount,
  decodeHello,
  encodeCell,
  encodeCount,
  encodeHello,
  MAX_ID,
  MAX_MESSAGE_CELLS,
  MAX_STAMP,
} from '../../src/cell.ts'

const word = fc.integer({ min: 0, max: MAX_ID })
const time = fc.integer({ min: 0, max: MAX_STAMP })
const id = fc.integer({ min: 1, max: MAX_ID })
const bytes = (minLength: number, maxLength: number) => fc.uint8Array({ minLength, maxLength })
const header = { ack: word, late: word, stamp: time }
const none = { id: fc.constant(0), deadline: fc.constant(0), data: fc.constant(new Uint8Array(0)) }

const cells: fc.Arbitrary<Cell> = fc.oneof(
  fc.record({ kind: fc.constant(CellKind.COVER), ...header, ...none }),
  fc.record({ kind: fc.constant(CellKind.DATA), ...header, id, deadline: time, data: bytes(0, CELL_DATA) }),
  fc.record({ kind: fc.constant(CellKind.MORE), ...header, id, deadline: time, data: bytes(CELL_DATA, CELL_DATA) }),
  fc.record({
    kind: fc.constant(CellKind.HELLO),
    ...none,
    ack: fc.constant(0),
    late: fc.constant(0),
    stamp: time,
    data: bytes(21, 21),
  }),
  fc.record({ kind: fc.constant(CellKind.END), ...header, ...none, id }),
  fc.record({ kind: fc.constant(CellKind.SKIP), ...header, ...none, id, data: bytes(4, 4) }),
)

describe('cells', () => {
  test.prop([cells])('what is encoded is decoded again', (cell) => {
    const encoded = encodeCell(cell)
    expect(encoded).toHaveLength(CELL_SIZE)
    expect(decodeCell(encoded)).toEqual(cell)
  })

  test.prop([fc.uint8Array({ minLength: CELL_SIZE, maxLength: CELL_SIZE }), fc.integer({ min: 0, max: 6 })])(
    'there is one encoding: what can be decoded is encoded to the same bytes',
    (random, kind) => {
      const given = random.slice()
      given[0] = kind
      // A length and padding that fit, or nearly all would be refused for these.
      const length = (random[25]! | (random[26]! << 8)) % (CELL_DATA + 1)
      new DataView(given.buffer).setUint16(25, length, true)
      given.fill(0, 27 + length)
      const cell = decoded(given)
      if (cell) expect(encodeCell(cell)).toEqual(given)
    },
  )

  test.prop([cells, fc.nat(), fc.integer({ min: 1, max: 255 })])(
    'padding that is not zero is refused',
    (cell, at, bits) => {
      fc.pre(cell.data.length < CELL_DATA)
      const encoded = encodeCell(cell)
      const padding = 27 + cell.data.length
      encoded[padding + (at % (CELL_SIZE - padding))]! ^= bits
      expect(() => decodeCell(encoded)).toThrow('padding')
    },
  )

  test.prop([fc.uint8Array({ maxLength: 600 })])('other sizes are refused, and nothing else is thrown', (given) => {
    fc.pre(given.length !== CELL_SIZE)
    expect(() => decodeCell(given)).toThrow('bytes and not 452')
  })

  test.each<[string, Partial<Cell>]>([
    ['an unknown kind', { kind: 6 as never }],
    ['cover with an id', { kind: CellKind.COVER, id: 1 }],
    ['cover with data', { kind: CellKind.COVER, data: bytesOf(1) }],
    ['data without an id', { kind: CellKind.DATA, id: 0 }],
    ['a part that is not full', { kind: CellKind.MORE, id: 1, data: bytesOf(CELL_DATA - 1) }],
    ['a hello that acknowledges', { kind: CellKind.HELLO, ack: 1, data: bytesOf(21) }],
    ['a hello that is too short', { kind: CellKind.HELLO, data: bytesOf(20) }],
    ['an end with data', { kind: CellKind.END, id: 1, data: bytesOf(1) }],
    ['an end with a deadline', { kind: CellKind.END, id: 1, deadline: 1 }],
    ['a skip without a count', { kind: CellKind.SKIP, id: 1 }],
  ])('%s is refused', (_, part) => {
    const cell: Cell = { kind: 0, ack: 0, late: 0, id: 0, stamp: 0, deadline: 0, data: new Uint8Array(0), ...part }
    expect(() => decodeCell(encodeCell(cell))).toThrow('does not look like one')
  })

  test('a cell is decoded wherever it lies in memory, and its data is a copy', () => {
    const cell: Cell = {
      kind: CellKind.DATA,
      ack: 7,
      late: 1,
      id: 9,
      stamp: 2 ** 40,
      deadline: 2 ** 33,
      data: bytesOf(3, 5),
    }
    const memory = new Uint8Array(1000)
    memory.set(encodeCell(cell), 13)
    const found = decodeCell(memory.subarray(13, 13 + CELL_SIZE))
    memory.fill(0)
    expect(found).toEqual(cell)
  })
})

describe('what is inside', () => {
  test.prop([bytes(8, 8), bytes(8, 8), word])('hellos', (instance, seen, next) => {
    expect(decodeHello(encodeHello({ instance, seen, next }))).toEqual({ instance, seen, next })
  })

  test('another version is named', () => {
    const data = encodeHello({ instance: bytesOf(8), seen: bytesOf(8), next: 1 })
    data[0] = 2
    expect(() => decodeHello(data)).toThrow('the peer speaks version 2 of the channel, this end version 1')
  })

  test('counts have bounds', () => {
    for (const count of [1, MAX_MESSAGE_CELLS]) expect(decodeCount(encodeCount(count))).toBe(count)
    for (const count of [0, MAX_MESSAGE_CELLS + 1, MAX_ID])
      expect(() => decodeCount(encodeCount(count))).toThrow('skips')
  })
})

function decoded(bytes: Uint8Array): Cell | undefined {
  try {
    return decodeCell(bytes)
  } catch (error) {
    expect((error as { code?: string }).code).toBe('INVALID_RESPONSE')
    return undefined
  }
}
