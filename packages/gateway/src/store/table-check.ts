import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { ByteReader } from './byte-reader.js'
import { crc32c } from './crc32c.js'
import { tablesInUse } from './manifest.js'

/** Two handles of at most 20 bytes each, and a magic number. */
const FOOTER = 48
const MAGIC = 0xdb4775248b80fb57n
/** Kind of compression, and CRC. */
const TRAILER = 5
const UNCOMPRESSED = 0

interface Handle {
  readonly offset: number
  readonly size: number
}

/**
 * Checks the CRCs of the tables in the folder of a LevelDB that is not open. LevelDB itself writes them and does not check them
 * when it reads: a changed key makes it abort the whole process in the midst of a compaction, by an assertion.
 * The layout is that of `doc/table_format.md` of LevelDB. `Database` writes tables without compression. Another program may have
 * compressed the index of a table; then its blocks are not looked at.
 * @returns the name of the first table that is damaged
 */
export async function findDamagedTable(folder: string): Promise<string | undefined> {
  const inUse = await tablesInUse(folder)
  for (const name of inUse ? await readdir(folder) : []) {
    const [, number] = /^(\d+)\.(?:ldb|sst)$/.exec(name) ?? []
    if (number === undefined || !inUse?.has(Number(number))) continue
    if (!isIntact(await readFile(join(folder, name)))) return name
  }
  return undefined
}

function isIntact(table: Buffer): boolean {
  try {
    const end = table.length - FOOTER
    if (end < 0 || table.readBigUInt64LE(table.length - 8) !== MAGIC) return false
    const footer = new ByteReader(table.subarray(end))
    for (const handle of [readHandle(footer), readHandle(footer)]) {
      if (!fits(table, handle)) return false
      for (const inner of handlesIn(table, handle)) if (!fits(table, inner)) return false
    }
    return true
  } catch (error) {
    // A length that leads out of the file.
    if (error instanceof RangeError) return false
    throw error
  }
}

/** Whether the CRC of a block fits. */
function fits(table: Buffer, { offset, size }: Handle): boolean {
  if (offset + size + TRAILER > table.length - FOOTER) return false
  const crc = table.readUInt32LE(offset + size + 1)
  return unmask(crc) === crc32c(table.subarray(offset, offset + size + 1))
}

/** The values of an index block: where the blocks are that it leads to. */
function* handlesIn(table: Buffer, { offset, size }: Handle): Generator<Handle> {
  if (table[offset + size] !== UNCOMPRESSED) return
  const block = table.subarray(offset, offset + size)
  const restarts = block.readUInt32LE(size - 4)
  const reader = new ByteReader(block.subarray(0, size - 4 * (restarts + 1)))
  while (!reader.atEnd) {
    reader.varint()
    const keySize = reader.varint()
    reader.varint()
    reader.skip(keySize)
    yield readHandle(reader)
  }
}

function readHandle(reader: ByteReader): Handle {
  return { offset: reader.varint(), size: reader.varint() }
}

/** LevelDB stores CRCs rotated and with a constant added. */
function unmask(masked: number): number {
  const rotated = (masked - 0xa282ead8) >>> 0
  return ((rotated >>> 17) | (rotated << 15)) >>> 0
}
