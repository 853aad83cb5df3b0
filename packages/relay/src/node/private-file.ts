import { constants } from 'node:fs'
import { type FileHandle, mkdir, open, realpath, rename, rm } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { type Clock, UsmpError } from '@usmp/core'
import { nodeClock } from '@usmp/node'

/** What users beside the owner may do, by the bits of a file's mode. */
const OTHERS = 0o077
/** How long a change waits for another one to end, and how often it looks, ms. */
const LOCK_TIMEOUT = 10_000
const LOCK_PAUSE = 50

/**
 * The text of a file that its owner alone can use.
 * @param limit bytes
 * @returns undefined if there is no such file
 * @throws UsmpError INVALID_ARGUMENT if others can read or change it, it is too long, no file, not UTF-8, or cannot be read
 */
export async function readPrivateFile(path: string, limit: number): Promise<string | undefined> {
  return reading(path, async () => {
    // Without waiting for the other end of a pipe.
    const file = await open(path, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0))
    try {
      await assertPrivate(path, file)
      return await readText(path, file, limit)
    } finally {
      await file.close()
    }
  })
}

/**
 * Changes a file that its owner alone can use, or makes it. Others see the old text or the new one, never a part, also if the power
 * fails; two changes at once happen one after the other. The new text is written to a file beside it, with `.lock` behind its name,
 * whose making is the lock. One that a killed program left behind is not removed: nobody knows that its owner is dead.
 * @param limit bytes, of the old text
 * @param change given the text that is there, or undefined; gives the new one. Nothing is changed if that is the same, or it throws
 * @param clock default: that of Node
 * @throws UsmpError INVALID_ARGUMENT, also if the lock is not to be had within 10 s; what `change` throws
 */
export async function changePrivateFile(
  path: string,
  limit: number,
  change: (text: string | undefined) => string,
  clock: Clock = nodeClock,
): Promise<void> {
  const target = await locate(path)
  const lock = `${target}.lock`
  const file = await takeLock(path, lock, clock)
  let renamed = false
  try {
    const before = await readPrivateFile(target, limit)
    const after = change(before)
    if (after === before) return
    await writing(path, async () => {
      await file.writeFile(after)
      await file.sync()
      // Windows renames no file that is open.
      await file.close()
      await rename(lock, target)
      renamed = true
      await syncFolder(dirname(target))
    })
  } finally {
    await file.close()
    if (!renamed) await rm(lock, { force: true })
  }
}

/** Where a file is, behind all links: their names would lock nothing. Its folder is made if it is not there. */
async function locate(path: string): Promise<string> {
  return writing(path, async () => {
    await mkdir(dirname(path), { recursive: true, mode: 0o700 })
    try {
      return await realpath(path)
    } catch (error) {
      if (codeOf(error) !== 'ENOENT') throw error
      return join(await realpath(dirname(path)), basename(path))
    }
  })
}

async function takeLock(path: string, lock: string, clock: Clock): Promise<FileHandle> {
  const until = clock.now() + LOCK_TIMEOUT
  for (;;) {
    const file = await writing(path, () => openNew(lock))
    if (file) return file
    if (clock.now() >= until) {
      throw new UsmpError('INVALID_ARGUMENT', `${path} is being changed by another program`, {
        hint: `If none runs, one was killed while it did: remove ${lock} then.`,
      })
    }
    await new Promise<void>((resolve) => clock.setTimer(resolve, LOCK_PAUSE))
  }
}

/** A new file of the owner's; undefined if it is there already. */
async function openNew(path: string): Promise<FileHandle | undefined> {
  try {
    return await open(path, 'wx', 0o600)
  } catch (error) {
    if (codeOf(error) === 'EEXIST') return undefined
    throw error
  }
}

/** So that the new name lasts too. Windows has no such thing. */
async function syncFolder(path: string): Promise<void> {
  if (process.platform === 'win32') return
  const folder = await open(path)
  try {
    await folder.sync()
  } finally {
    await folder.close()
  }
}

async function assertPrivate(path: string, file: FileHandle): Promise<void> {
  const stats = await file.stat()
  if (!stats.isFile()) throw new UsmpError('INVALID_ARGUMENT', `${path} is no file`)
  // There the bits say nothing.
  if (process.platform === 'win32' || (stats.mode & OTHERS) === 0) return
  const mode = (stats.mode & 0o7777).toString(8).padStart(4, '0')
  throw new UsmpError('INVALID_ARGUMENT', `other users can get at ${path} (mode ${mode})`, {
    hint: `chmod 600 ${quoted(path)}. If somebody else may have read or changed it, it is not to be trusted any more.`,
  })
}

/** For a shell. */
function quoted(path: string): string {
  return /^[\w./-]+$/.test(path) ? path : `'${path.replaceAll("'", "'\\''")}'`
}

async function readText(path: string, file: FileHandle, limit: number): Promise<string> {
  const content = Buffer.alloc(limit + 1)
  let size = 0
  for (let read = -1; read !== 0 && size <= limit; size += read) {
    read = (await file.read(content, size, content.length - size)).bytesRead
  }
  try {
    if (size > limit) throw new UsmpError('INVALID_ARGUMENT', `${path} has more than ${limit} bytes`)
    return decode(path, content.subarray(0, size))
  } finally {
    content.fill(0)
  }
}

function decode(path: string, content: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(content)
  } catch {
    throw new UsmpError('INVALID_ARGUMENT', `${path} is not a text in UTF-8`)
  }
}

async function reading<T>(path: string, action: () => Promise<T>): Promise<T | undefined> {
  try {
    return await action()
  } catch (cause) {
    if (codeOf(cause) === 'ENOENT') return undefined
    throw cause instanceof UsmpError ? cause : fileError('read', path, cause)
  }
}

async function writing<T>(path: string, action: () => Promise<T>): Promise<T> {
  try {
    return await action()
  } catch (cause) {
    throw cause instanceof UsmpError ? cause : fileError('write', path, cause)
  }
}

function fileError(action: 'read' | 'write', path: string, cause: unknown): UsmpError {
  const reason = cause instanceof Error ? cause.message : String(cause)
  return new UsmpError('INVALID_ARGUMENT', `cannot ${action} ${path}: ${reason}`, {
    cause,
    hint: 'Check the name of the file, who may use it, and whether there is room on the disk.',
  })
}

function codeOf(error: unknown): string | undefined {
  return (error as NodeJS.ErrnoException | undefined)?.code
}
