import type { Random } from '@usmp/testing'

/** Bytes at which something in the protocol changes: types, sizes, ends of ranges. */
const TELLING = [
  0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 16, 28, 32, 38, 48, 54, 64, 127, 128, 0xac, 0xab, 0xcd, 0xfe, 0xff,
]

/** A changed copy of `input`, at most `maxLength` bytes; `other` is one to take parts from. */
export function mutate(input: Uint8Array, other: Uint8Array, maxLength: number, random: Random): Uint8Array {
  let bytes = Array.from(input)
  for (let changes = 1 << random.below(4); changes > 0; changes--) bytes = change(bytes, other, random)
  return Uint8Array.from(bytes.slice(0, maxLength))
}

function change(bytes: number[], other: Uint8Array, random: Random): number[] {
  const at = random.below(bytes.length + 1)
  const length = 1 + random.below(random.below(4) === 0 ? 64 : 8)
  switch (random.below(bytes.length === 0 ? 2 : 9)) {
    case 0:
      return bytes.toSpliced(at, 0, ...Array.from({ length }, () => random.below(256)))
    case 1:
      return bytes.toSpliced(at, 0, ...part(other, random))
    case 2:
      return bytes.with(at % bytes.length, bytes[at % bytes.length]! ^ (1 << random.below(8)))
    case 3:
      return bytes.with(at % bytes.length, random.below(256))
    case 4:
      return bytes.with(at % bytes.length, TELLING[random.below(TELLING.length)]!)
    case 5:
      return bytes.with(at % bytes.length, (bytes[at % bytes.length]! + random.below(17) - 8) & 0xff)
    case 6:
      return bytes.toSpliced(at, length)
    case 7:
      return bytes.toSpliced(at, 0, ...bytes.slice(at, at + length))
    default: {
      const piece = part(other, random)
      return bytes.toSpliced(at, piece.length, ...piece)
    }
  }
}

function part(other: Uint8Array, random: Random): Uint8Array {
  const from = random.below(other.length + 1)
  return other.subarray(from, from + 1 + random.below(64))
}
