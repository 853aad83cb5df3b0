import { createHash, type Hash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { open } from 'node:fs/promises'
import { createInterface } from 'node:readline'
import * as v from 'valibot'
import { count, time } from '../contract/text.js'
import { fileFailed, storeFailed } from './failure.js'

/** Of the file, not of the store. */
const VERSION = 1

const headerSchema = v.object({
  format: v.literal('usmp-gateway-backup'),
  version: count,
  /** Version of the store. */
  schema: count,
  createdAt: time,
  /** Number of the last commit in it. */
  commit: count,
})
type Header = v.InferOutput<typeof headerSchema>
const rowSchema = v.strictTuple([v.string(), v.string()])
const footerSchema = v.strictObject({ rows: count, sha256: v.string() })
type Row = readonly [key: string, text: string]

/** What a backup says about itself. */
export type BackupInfo = Pick<Header, 'schema' | 'createdAt' | 'commit'>

/**
 * Writes lines of JSON: a header, `[key, text]` for each row, and a footer with the number of rows and the SHA-256 of all lines
 * before it. The file is readable by its owner only, and synced.
 */
export async function writeBackup(path: string, info: BackupInfo, rows: AsyncIterable<Row>): Promise<void> {
  const file = await open(path, 'wx', 0o600)
  try {
    const hash = createHash('sha256')
    let written = 0
    let lines = line(hash, { format: 'usmp-gateway-backup', version: VERSION, ...info })
    for await (const row of rows) {
      lines += line(hash, row)
      written++
      if (lines.length < 256 * 1024) continue
      await file.writeFile(lines)
      lines = ''
    }
    await file.writeFile(`${lines}${JSON.stringify({ rows: written, sha256: hash.digest('hex') })}\n`)
    await file.sync()
  } finally {
    await file.close()
  }
}

/**
 * Checks the whole file.
 * @throws GatewayError STORE_FAILED if it is no backup, or not as it was written
 */
export async function checkBackup(path: string): Promise<BackupInfo> {
  const hash = createHash('sha256')
  let header: Header | undefined
  let rows = 0
  let last: string | undefined
  for await (const text of linesOf(path)) {
    if (last !== undefined) {
      hash.update(`${last}\n`)
      rows++
    }
    header ??= parseHeader(path, text)
    last = text
  }
  const footer = parse(footerSchema, last ?? '')
  // The header was counted too.
  if (header && footer?.rows === rows - 1 && footer.sha256 === hash.digest('hex')) return header
  throw storeFailed(
    `${path} is not as it was written: a part is missing or changed`,
    'Copy the file again from where it was kept, or take another backup.',
  )
}

/** The rows of a file that was checked. */
export async function* rowsOfBackup(path: string): AsyncGenerator<Row> {
  for await (const text of linesOf(path)) {
    const row = text.startsWith('[') ? parse(rowSchema, text) : undefined
    if (row) yield row
  }
}

function parseHeader(path: string, text: string): Header {
  const header = parse(headerSchema, text)
  if (!header) {
    throw storeFailed(`${path} is no backup of a gateway`, 'Name a file that `usmp gateway backup` has written.')
  }
  if (header.version <= VERSION) return header
  throw storeFailed(`${path} is of a newer kind of backup`, 'Restore it with the version of the gateway that wrote it.')
}

async function* linesOf(path: string): AsyncGenerator<string> {
  const input = createReadStream(path)
  try {
    yield* createInterface({ input, crlfDelay: Number.POSITIVE_INFINITY })
  } catch (error) {
    throw fileFailed('read', path, error)
  } finally {
    input.destroy()
  }
}

function line(hash: Hash, value: unknown): string {
  const text = `${JSON.stringify(value)}\n`
  hash.update(text)
  return text
}

function parse<T>(schema: v.GenericSchema<unknown, T>, text: string): T | undefined {
  try {
    return v.parse(schema, JSON.parse(text))
  } catch {
    return undefined
  }
}
