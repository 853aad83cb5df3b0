import { open, readFile, rm, stat } from 'node:fs/promises'
import { assertPsk, CipherSuite, fromHex, parseDeviceId, UsmpError } from '@usmp/core'
import type { Output } from './output.js'

const RAW_KEY_SIZE = 32
/** More than any key; a table of keys may have more. */
const MAX_KEY_FILE = 4096
const MAX_PEM_FILE = 1024 * 1024
const MAX_TABLE_FILE = 64 * 1024 * 1024
const READABLE_BY_OTHERS = 0o044

/**
 * The key in a file of 32 raw bytes or of hex digits. Errors name the file, never what is in it.
 * @throws UsmpError INVALID_ARGUMENT, WEAK_PSK
 */
export async function readPskFile(path: string, output: Output): Promise<Uint8Array> {
  const content = await readSecret(path, MAX_KEY_FILE, output)
  const psk = hexOf(content.toString('latin1')) ?? rawKey(path, content)
  assertKey(path, psk)
  return psk
}

/**
 * The keys in a JSON file: an object from device id to key in hex; the entry `*` serves every other device.
 * @throws UsmpError INVALID_ARGUMENT, WEAK_PSK
 */
export async function readPskTable(path: string, output: Output): Promise<Map<string, Uint8Array>> {
  const content = await readJson(path, output)
  const table = new Map<string, Uint8Array>()
  for (const [index, [deviceId, hex]] of Object.entries(content).entries()) {
    const psk = typeof hex === 'string' ? hexOf(hex) : undefined
    // Neither half of the entry is shown: they may have been swapped.
    if (!psk || (deviceId !== '*' && !isDeviceId(deviceId))) {
      throw new UsmpError('INVALID_ARGUMENT', `entry ${index + 1} of ${path} is not a device id with a key in hex`, {
        hint: 'The table is a JSON object such as {"aa:bb:cc:dd:ee:ff": "<64 hex digits>"}.',
      })
    }
    assertKey(path, psk)
    table.set(deviceId, psk)
  }
  if (table.size === 0) throw new UsmpError('INVALID_ARGUMENT', `${path} has no entries`)
  return table
}

/**
 * A certificate or a private key in PEM. That others can read it is warned of only where there is a private key in it.
 * @throws UsmpError INVALID_ARGUMENT
 */
export async function readPemFile(path: string, output: Output): Promise<string> {
  const pem = (await readLimited(path, MAX_PEM_FILE)).toString('latin1')
  if (!pem.includes('-----BEGIN ')) {
    throw new UsmpError('INVALID_ARGUMENT', `${path} is not a file in PEM`, {
      hint: 'Such a file has a line that begins with -----BEGIN.',
    })
  }
  if (pem.includes('PRIVATE KEY-----')) await warnIfOpen(path, output)
  return pem
}

/** What opens the frames of a recorded session. */
export interface SessionKeys {
  readonly sessionId: Uint8Array
  readonly keys: readonly Uint8Array[]
  readonly suite: CipherSuite
}

/**
 * The keys of one session in a JSON file: `session_id`, `keys` and `suite`.
 * @throws UsmpError INVALID_ARGUMENT
 */
export async function readSessionKeys(path: string, output: Output): Promise<SessionKeys> {
  const { session_id, keys, suite = 'aes' } = await readJson(path, output)
  const sessionId = typeof session_id === 'string' ? hexOf(session_id) : undefined
  const parsed = Array.isArray(keys) ? keys.map((key) => (typeof key === 'string' ? hexOf(key) : undefined)) : []
  const good = parsed.filter((key) => key?.length === RAW_KEY_SIZE) as Uint8Array[]
  const known = typeof suite === 'string' ? parseSuite(suite) : undefined
  if (sessionId?.length !== 16 || !known || good.length === 0 || good.length !== parsed.length) {
    throw new UsmpError('INVALID_ARGUMENT', `${path} does not hold the keys of a session`, {
      hint: 'It is a JSON object: {"session_id": "<32 hex digits>", "keys": ["<64 hex digits>", …], "suite": "aes" or "chacha"}.',
    })
  }
  return { sessionId, keys: good, suite: known }
}

/** The suite of that name, undefined if there is none. */
export function parseSuite(name: string): CipherSuite | undefined {
  const suites: Readonly<Record<string, CipherSuite>> = {
    aes: CipherSuite.AES_256_GCM,
    chacha: CipherSuite.CHACHA20_POLY1305,
  }
  return Object.hasOwn(suites, name) ? suites[name] : undefined
}

/**
 * Writes a secret into a new file that only its owner can read.
 * @throws UsmpError INVALID_ARGUMENT, also if the file is there already
 */
export async function writeSecret(path: string, content: Uint8Array | string): Promise<void> {
  try {
    const file = await open(path, 'wx', 0o600)
    try {
      await file.writeFile(content)
      await file.sync()
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
    throw unusable('write', path, cause)
  }
}

async function readSecret(path: string, limit: number, output: Output): Promise<Buffer> {
  const content = await readLimited(path, limit)
  await warnIfOpen(path, output)
  return content
}

async function readLimited(path: string, limit: number): Promise<Buffer> {
  try {
    const { size } = await stat(path)
    if (size > limit) throw new Error(`it has ${size} bytes, and such a file has at most ${limit}`)
    return await readFile(path)
  } catch (cause) {
    throw unusable('read', path, cause)
  }
}

async function warnIfOpen(path: string, output: Output): Promise<void> {
  const { mode } = await stat(path)
  const regular = (mode & 0o170000) === 0o100000
  if (!regular || process.platform === 'win32' || (mode & READABLE_BY_OTHERS) === 0) return
  const permissions = (mode & 0o777).toString(8).padStart(4, '0')
  output.warning(`${path} holds secrets and others can read it (mode ${permissions}): chmod 600 ${path}`)
}

/**
 * The object in a JSON file of secrets; RoboLink reads its keys by it too. Errors name the file, never what is in it.
 * @throws UsmpError INVALID_ARGUMENT
 */
export async function readJson(path: string, output: Output): Promise<Record<string, unknown>> {
  const content = await readSecret(path, MAX_TABLE_FILE, output)
  let value: unknown
  try {
    value = JSON.parse(content.toString('utf8'))
  } catch {
    // The parser's own message shows a piece of the file.
    throw new UsmpError('INVALID_ARGUMENT', `${path} is not JSON`)
  }
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Record<string, unknown>
  throw new UsmpError('INVALID_ARGUMENT', `${path} is not a JSON object`)
}

function rawKey(path: string, content: Buffer): Uint8Array {
  if (content.length === RAW_KEY_SIZE) return new Uint8Array(content)
  throw new UsmpError('INVALID_ARGUMENT', `${path} is not a key file: it has ${content.length} bytes`, {
    hint: `A key file holds ${RAW_KEY_SIZE} raw bytes or hex digits; \`usmp keygen psk --out FILE\` makes one. A passphrase is not a key.`,
  })
}

/** The bytes of hex digits, undefined if it is anything else. */
function hexOf(text: string): Uint8Array | undefined {
  return /^\s*([0-9a-f]{2}[\s:]*)+$/i.test(text) ? fromHex(text) : undefined
}

function isDeviceId(text: string): boolean {
  try {
    parseDeviceId(text)
    return true
  } catch {
    return false
  }
}

/** Checks a key, and says which file a weak one is in. */
function assertKey(path: string, psk: Uint8Array): void {
  try {
    assertPsk(psk)
  } catch (cause) {
    const { message } = cause as UsmpError
    throw new UsmpError('WEAK_PSK', `${path}: ${message.slice(message.indexOf(': ') + 2)}`, {
      hint: 'Make a key with `usmp keygen psk --out FILE`. A recorded handshake lets weak keys be guessed offline.',
    })
  }
}

/** The error for a file that cannot be read or written. */
export function unusable(action: 'read' | 'write', path: string, cause: unknown): UsmpError {
  const { code, message } = cause as NodeJS.ErrnoException
  const reasons: Readonly<Record<string, string>> = {
    ENOENT: 'there is no such file or directory',
    EACCES: 'permission denied',
    EISDIR: 'it is a directory',
    ENOSPC: 'there is no room left on the disk',
  }
  const reason = (code && reasons[code]) || message
  return new UsmpError('INVALID_ARGUMENT', `cannot ${action} ${path}: ${reason}`, {
    cause,
    hint: 'Check the name of the file and who may use it.',
  })
}
