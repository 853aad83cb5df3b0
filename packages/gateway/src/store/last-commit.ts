import { closeSync, openSync, writeSync } from 'node:fs'
import { readFile } from 'node:fs/promises'

/**
 * The number of the last commit in a file apart, written after each commit and not synced. A database that is behind it has
 * lost changes that were reported as durable: by a disk that lies about syncs, a file that was cut, a copy put back.
 */
export class LastCommit {
  readonly #fd: number

  /** @param path made if it is not there */
  constructor(path: string) {
    this.#fd = openSync(path, 'a+', 0o600)
    closeSync(this.#fd)
    this.#fd = openSync(path, 'r+')
  }

  write(commit: number): void {
    try {
      writeSync(this.#fd, `${String(commit).padStart(16, '0')}\n`, 0)
    } catch {
      // It only helps to notice a loss; a disk that fails is told by the next commit.
    }
  }

  close(): void {
    closeSync(this.#fd)
  }
}

/** @returns 0 if there is no such file or no number in it */
export async function readLastCommit(path: string): Promise<number> {
  try {
    const commit = Number(await readFile(path, 'utf8'))
    return Number.isSafeInteger(commit) && commit >= 0 ? commit : 0
  } catch {
    return 0
  }
}
