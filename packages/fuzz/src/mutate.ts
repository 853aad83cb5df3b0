/** Whole numbers from 0 up to, and not including, `below`. */
export type Dice = (below: number) => number

/** The same numbers for the same seed (xorshift32). */
export function dice(seed: number): Dice {
  let state = Math.imul(seed + 1, 0x9e3779b1) >>> 0 || 1
  return (below) => {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    state >>>= 0
    return Math.floor((state / 2 ** 32) * below)
  }
}

/** Bytes at which something in the protocol changes: types, sizes, ends of ranges. */
const TELLING = [
  0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 16, 28, 32, 38, 48, 54, 64, 127, 128, 0xac, 0xab, 0xcd, 0xfe, 0xff,
]

/** A changed copy of `input`, at most `maxLength` bytes; `other` is one to take parts from. */
export function mutate(input: Uint8Array, other: Uint8Array, maxLength: number, roll: Dice): Uint8Array {
  let bytes = Array.from(input)
  for (let changes = 1 << roll(4); changes > 0; changes--) bytes = change(bytes, other, roll)
  return Uint8Array.from(bytes.slice(0, maxLength))
}

function change(bytes: number[], other: Uint8Array, roll: Dice): number[] {
  const at = roll(bytes.length + 1)
  const length = 1 + roll(roll(4) === 0 ? 64 : 8)
  switch (roll(bytes.length === 0 ? 2 : 9)) {
    case 0:
      return bytes.toSpliced(at, 0, ...Array.from({ length }, () => roll(256)))
    case 1:
      return bytes.toSpliced(at, 0, ...part(other, roll))
    case 2:
      return bytes.with(at % bytes.length, bytes[at % bytes.length]! ^ (1 << roll(8)))
    case 3:
      return bytes.with(at % bytes.length, roll(256))
    case 4:
      return bytes.with(at % bytes.length, TELLING[roll(TELLING.length)]!)
    case 5:
      return bytes.with(at % bytes.length, (bytes[at % bytes.length]! + roll(17) - 8) & 0xff)
    case 6:
      return bytes.toSpliced(at, length)
    case 7:
      return bytes.toSpliced(at, 0, ...bytes.slice(at, at + length))
    default: {
      const piece = part(other, roll)
      return bytes.toSpliced(at, piece.length, ...piece)
    }
  }
}

function part(other: Uint8Array, roll: Dice): Uint8Array {
  const from = roll(other.length + 1)
  return other.subarray(from, from + 1 + roll(64))
}
