import type { Clock } from '@usmp/core'
import { KnownPeers, MAX_KNOWN_PEERS_TEXT } from '../known-peers.js'
import { changePrivateFile, readPrivateFile } from './private-file.js'

/** Bytes, as no character has more than three of them in UTF-8 for one of UTF-16. */
const MAX_FILE = 3 * MAX_KNOWN_PEERS_TEXT

/**
 * The known peers of a file; none if it is not there.
 * @throws UsmpError INVALID_ARGUMENT, also if other users can read or change the file
 */
export async function readKnownPeers(path: string): Promise<KnownPeers> {
  return parse(await readPrivateFile(path, MAX_FILE))
}

/**
 * Changes the known peers of a file, and makes it if it is not there. Changes of several programs happen one after the other, so that
 * none is lost.
 * @param change learns, verifies or forgets; the file stays as it is if it throws
 * @param clock default: that of Node
 * @returns what `change` returns
 * @throws UsmpError INVALID_ARGUMENT, also if another program holds the file for more than 10 s; what `change` throws
 */
export async function updateKnownPeers<T>(path: string, change: (peers: KnownPeers) => T, clock?: Clock): Promise<T> {
  let result!: T
  const apply = (text: string | undefined): string => {
    const peers = parse(text)
    result = change(peers)
    return peers.toString()
  }
  await changePrivateFile(path, MAX_FILE, apply, clock)
  return result
}

function parse(text: string | undefined): KnownPeers {
  return text === undefined ? new KnownPeers() : KnownPeers.parse(text)
}
