import { type FileHandle, open, realpath, rm, stat } from 'node:fs/promises'
import { dirname, resolve } from 'node:path'
import { assertPsk, formatDeviceId, parseDeviceId, parsePsk, UsmpError } from '@usmp/core'

const RAW_KEY_SIZE = 32
/** Bytes; more than any key. A table of keys may have more. */
const MAX_KEY_FILE = 4096
const MAX_PEM_FILE = 1024 * 1024
const MAX_JSON_FILE = 64 * 1024 * 1024
const ANY_DEVICE = '*'
const TABLE_HINT = 'The table is a JSON object such as {"aa:bb:cc:dd:ee:ff": "<64 hex digits>"}.'

/** What the users beside the owner may do, by the bits of a file's mode. */
const READ = 0o044
const WRITE = 0o022
const STICKY = 0o1000

/**
 * The key in a file: hex digits as `usmp keygen psk` writes them, or 32 raw bytes. A BOM, UTF-16, white space, `0x` and
 * quotes are no obstacle. Warns (`process.emitWarning`) if other users can read or change the file. Errors name the file,
 * never what is in it.
 * @throws UsmpError INVALID_ARGUMENT, WEAK_PSK
 */
export async function readPskFile(path: string): Promise<Uint8Array> {
  const content = await readSecretFile(path, MAX_KEY_FILE)
  try {
    return parseKeyFile(content)
  } catch (error) {
    throw inFile(path, error as UsmpError)
  } finally {
    content.fill(0)
  }
}

/**
 * The keys in a JSON file: an object from device id to key in hex, such as `{"aa:bb:cc:dd:ee:ff": "<64 hex digits>"}`. The
 * entry `*` serves every other device. Warns as {@link readPskFile} does.
 * @returns by device id in its normal form, for the option `psk` of `listen`
 * @throws UsmpError INVALID_ARGUMENT, WEAK_PSK
 */
export async function readPskTable(path: string): Promise<Map<string, Uint8Array>> {
  const table = new Map<string, Uint8Array>()
  for (const [index, [id, key]] of Object.entries(await readSecretJson(path)).entries()) {
    try {
      const deviceId = normalId(id)
      if (table.has(deviceId)) throw new UsmpError('INVALID_ARGUMENT', `the second key for ${deviceId}`)
      if (typeof key !== 'string') throw new UsmpError('INVALID_ARGUMENT', 'the key is not a text')
      table.set(deviceId, parsePsk(key))
    } catch (error) {
      throw inFile(`${path}, entry ${index + 1}`, error as UsmpError)
    }
  }
  if (table.size === 0) throw new UsmpError('INVALID_ARGUMENT', `${path} has no entries`, { hint: TABLE_HINT })
  return table
}

/** Not as the error of {@link parseDeviceId}, which shows the text: key and id may have been swapped. */
function normalId(text: string): string {
  if (text === ANY_DEVICE) return ANY_DEVICE
  try {
    return formatDeviceId(parseDeviceId(text))
  } catch {
    throw new UsmpError('INVALID_ARGUMENT', 'its name is not a device id', { hint: TABLE_HINT })
  }
}

/**
 * The object in a JSON file of secrets. Errors name the file, never what is in it. Warns as {@link readPskFile} does.
 * @throws UsmpError INVALID_ARGUMENT
 */
export async function readSecretJson(path: string): Promise<Record<string, unknown>> {
  const content = await readSecretFile(path, MAX_JSON_FILE)
  let value: unknown
  try {
    value = JSON.parse(decodeText(content))
  } catch {
    // The parser's own message shows a piece of the file.
    throw new UsmpError('INVALID_ARGUMENT', `${path} is not JSON`, {
      hint: 'A JSON checker tells where it breaks off.',
    })
  } finally {
    content.fill(0)
  }
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Record<string, unknown>
  throw new UsmpError('INVALID_ARGUMENT', `${path} is not a JSON object`, {
    hint: 'It must begin with { and end with }.',
  })
}

/**
 * The bytes of a file of secrets. Warns if other users can read it, change it, or put another file in its place.
 * @param limit bytes
 * @throws UsmpError INVALID_ARGUMENT
 */
export async function readSecretFile(path: string, limit: number): Promise<Buffer> {
  return withFile(path, async (file) => {
    const content = await readAtMost(file, limit)
    await warnIfOpen(path, file)
    return content
  })
}

/**
 * A certificate or a private key in PEM. Warns as {@link readSecretFile} does, but only where there is a private key in it.
 * @throws UsmpError INVALID_ARGUMENT
 */
export async function readPemFile(path: string): Promise<string> {
  return withFile(path, async (file) => {
    const pem = (await readAtMost(file, MAX_PEM_FILE)).toString('latin1')
    if (!pem.includes('-----BEGIN ')) {
      throw new UsmpError('INVALID_ARGUMENT', `${path} is not a file in PEM`, {
        hint: 'Such a file has a line that begins with -----BEGIN.',
      })
    }
    if (pem.includes('PRIVATE KEY-----')) await warnIfOpen(path, file)
    return pem
  })
}

/**
 * Writes a secret into a new file that only its owner can read. Warns if other users can put another file in its place.
 * @throws UsmpError INVALID_ARGUMENT, also if the file is there already
 */
export async function writeSecretFile(path: string, content: Uint8Array | string): Promise<void> {
  try {
    const file = await open(path, 'wx', 0o600)
    try {
      await file.writeFile(content)
      await file.sync()
      await warnIfOpen(path, file)
    } catch (error) {
      // A disk that is full leaves half a key behind, which would stand in the way of the next attempt.
      await rm(path, { force: true })
      throw error
    } finally {
      await file.close()
    }
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'EEXIST') {
      const hint = 'Choose another name, or remove the file yourself if no device uses its key any more.'
      throw new UsmpError('INVALID_ARGUMENT', `${path} exists already and is not overwritten`, { cause, hint })
    }
    throw fileError('write', path, cause)
  }
}

/** The error for a file that cannot be read or written. */
export function fileError(action: 'read' | 'write', path: string, cause: unknown): UsmpError {
  const { code, message } = cause as NodeJS.ErrnoException
  const reasons: Readonly<Record<string, string>> = {
    ENOENT: 'there is no such file or directory',
    EACCES: 'permission denied',
    EISDIR: 'it is a directory',
    ENOSPC: 'there is no room left on the disk',
  }
  const reason = (code && reasons[code]) || message
  // A key in the place of its file's name is in no message.
  if (/^[\da-f]{32,}$/i.test(path)) {
    return new UsmpError('INVALID_ARGUMENT', 'this looks like a key, and the name of a file with a key is expected', {
      hint: 'Keep the key in a file: others can see what is on the command line. `usmp keygen psk --out FILE` makes one.',
    })
  }
  return new UsmpError('INVALID_ARGUMENT', `cannot ${action} ${path}: ${reason}`, {
    cause,
    hint: 'Check the name of the file and who may use it.',
  })
}

async function withFile<T>(path: string, use: (file: FileHandle) => Promise<T>): Promise<T> {
  let file: FileHandle | undefined
  try {
    file = await open(path)
    return await use(file)
  } catch (cause) {
    throw cause instanceof UsmpError ? cause : fileError('read', path, cause)
  } finally {
    await file?.close()
  }
}

/** All that is in a file, which may be a pipe. */
async function readAtMost(file: FileHandle, limit: number): Promise<Buffer> {
  const chunks: Buffer[] = []
  let size = 0
  for await (const chunk of file.createReadStream({ autoClose: false })) {
    chunks.push(chunk as Buffer)
    size += (chunk as Buffer).length
    if (size > limit) throw new Error(`it has more than ${limit} bytes, the most that such a file may have`)
  }
  const content = Buffer.concat(chunks)
  for (const chunk of chunks) chunk.fill(0)
  return content
}

/** A text in the encoding that its BOM names; UTF-8 without one. PowerShell writes UTF-16. */
function decodeText(content: Uint8Array): string {
  const [first, second] = content
  if (first === 0xff && second === 0xfe) return new TextDecoder('utf-16le').decode(content)
  if (first === 0xfe && second === 0xff) return new TextDecoder('utf-16be').decode(content)
  return new TextDecoder().decode(content)
}

function parseKeyFile(content: Buffer): Uint8Array {
  if (content.length !== RAW_KEY_SIZE || content.every(isTyped)) return parsePsk(decodeText(content))
  const psk = new Uint8Array(content)
  assertPsk(psk)
  return psk
}

/** Whether a byte is in a text that somebody typed. Of 32 random bytes one is not. */
function isTyped(byte: number): boolean {
  return (byte >= 0x20 && byte < 0x7f) || (byte >= 0x09 && byte <= 0x0d)
}

/** The same error, with the name of the file in front. */
function inFile(where: string, { code, message, hint }: UsmpError): UsmpError {
  return new UsmpError(code, `${where}: ${message.slice(message.indexOf(': ') + 2)}`, { hint })
}

/** Tells the owner that other users can read or change a file of secrets, and how to end that. */
async function warnIfOpen(path: string, file: FileHandle): Promise<void> {
  const stats = await file.stat()
  if (process.platform === 'win32' || !stats.isFile()) return
  const rights = rightsOfOthers(stats)
  if (rights & (READ | WRITE)) {
    const can = rights & WRITE ? (rights & READ ? 'read and change' : 'change') : 'read'
    warn(`${path} holds secrets and others can ${can} it (mode ${modeOf(stats)}): chmod 600 ${path}`)
  }
  // By the name that was given, and by the one that links lead to.
  const open = (await openFolderOf(resolve(path))) ?? (await openFolderOf(await realpath(path)))
  if (open) {
    warn(
      `others can put another file in the place of ${path} (${open.at} has mode ${open.mode}): chmod go-w ${open.at}`,
    )
  }
}

/** The folder above a file in which others may replace what is in it, if there is one. */
async function openFolderOf(path: string): Promise<{ at: string; mode: string } | undefined> {
  for (let at = dirname(path); ; at = dirname(at)) {
    const stats = await stat(at)
    // In a folder with the sticky bit, such as /tmp, only its owner can remove a file.
    if (rightsOfOthers(stats) & WRITE && !(stats.mode & STICKY)) return { at, mode: modeOf(stats) }
    if (at === dirname(at)) return undefined
  }
}

interface Stats {
  readonly mode: number
  readonly uid: number
  readonly gid: number
}

/** A group with the number of its owner is the owner's own, by the custom of Linux. */
function rightsOfOthers({ mode, uid, gid }: Stats): number {
  return mode & (uid === gid ? 0o007 : 0o077)
}

function modeOf({ mode }: Stats): string {
  return (mode & 0o7777).toString(8).padStart(4, '0')
}

function warn(message: string): void {
  process.emitWarning(message, { code: 'USMP_OPEN_KEY_FILE' })
}
