import { GatewayError } from '../errors.js'

/** The store cannot do it. `hint` says what to do. */
export function storeFailed(message: string, hint: string, cause?: unknown): GatewayError {
  return new GatewayError('STORE_FAILED', message, { hint, cause })
}

/** The files of the store are not as they were written. Nothing is repaired by guesses. */
export function storeDamaged(folder: string, what: string, cause?: unknown): GatewayError {
  const hint =
    'A file of the store was cut, changed or removed. Nothing was changed now. Move the folder away and restore the newest ' +
    'backup into a new one: usmp gateway restore FILE.'
  const error = storeFailed(`the store ${folder} is damaged: ${what}`, hint, cause)
  damages.add(error)
  return error
}

const damages = new WeakSet<object>()

export function isDamage(error: unknown): boolean {
  return error instanceof GatewayError && damages.has(error)
}

/** Why the database or the file system refused, in words for people. */
export function reasonOf(error: unknown): string {
  const texts: string[] = []
  for (let at = error; at instanceof Error && texts.length < 4; at = at.cause) texts.push(at.message)
  const text = texts.join(': ')
  if (/ENOSPC|No space left/i.test(text)) return 'the disk is full'
  if (/EDQUOT|quota/i.test(text)) return 'the quota of the disk is used up'
  if (/EROFS|Read-only file system/i.test(text)) return 'the disk is read-only'
  if (/EFBIG|File too large/i.test(text)) return 'a file would be larger than the system allows'
  if (/EACCES|EPERM|Permission denied/i.test(text)) return 'permission denied'
  return text || 'unknown reason'
}

/** A file beside the store cannot be read or written. */
export function fileFailed(action: 'read' | 'write', path: string, error: unknown): GatewayError {
  return storeFailed(
    `cannot ${action} ${path}: ${reasonOf(error)}`,
    'Check the name, the rights and the room on the disk.',
    error,
  )
}
