import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { ByteReader } from './byte-reader.js'

/** A log of LevelDB is cut into blocks, and no record has its header across two of them. */
const BLOCK = 32 * 1024
const HEADER = 7
const FULL = 1
const LAST = 4

/** Fields of a version edit, by tag: how each is read. Tables are added and removed; the rest only has to be stepped over. */
const fields: Readonly<Record<number, (reader: ByteReader, tables: Set<number>) => void>> = {
  1: (reader) => reader.skipText(),
  2: (reader) => void reader.varint(),
  3: (reader) => void reader.varint(),
  4: (reader) => void reader.varint(),
  5: (reader) => {
    reader.varint()
    reader.skipText()
  },
  6: (reader, tables) => {
    reader.varint()
    tables.delete(reader.varint())
  },
  7: (reader, tables) => {
    reader.varint()
    tables.add(reader.varint())
    reader.varint()
    reader.skipText()
    reader.skipText()
  },
  9: (reader) => void reader.varint(),
}

/**
 * Numbers of the tables that a LevelDB folder consists of, by its manifest; a process that was killed leaves others behind. Checks
 * nothing: LevelDB checks the manifest itself, and refuses one that is damaged. The layout is that of `db/version_edit.cc`.
 * @returns undefined if the manifest cannot be read
 */
export async function tablesInUse(folder: string): Promise<Set<number> | undefined> {
  const tables = new Set<number>()
  try {
    const name = (await readFile(join(folder, 'CURRENT'), 'latin1')).trim()
    if (!/^MANIFEST-\d+$/.test(name)) return undefined
    for (const record of recordsOf(await readFile(join(folder, name)))) {
      const reader = new ByteReader(record)
      while (!reader.atEnd) fields[reader.varint()]!(reader, tables)
    }
    return tables
  } catch {
    return undefined
  }
}

function* recordsOf(log: Buffer): Generator<Buffer> {
  let parts: Buffer[] = []
  for (let at = 0; at + HEADER <= log.length; ) {
    const left = BLOCK - (at % BLOCK)
    if (left < HEADER) {
      at += left
      continue
    }
    const size = log.readUInt16LE(at + 4)
    const type = log.readUInt8(at + 6)
    const end = at + HEADER + size
    // Cut short by a kill: it does not count.
    if (end > log.length) return
    parts.push(log.subarray(at + HEADER, end))
    if (type === FULL || type === LAST) {
      yield Buffer.concat(parts)
      parts = []
    }
    at = end
  }
}
