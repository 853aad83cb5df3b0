import { equalBytes, fromHex, toHex, UsmpError } from '@usmp/core'
import { assertIdentityKey } from './identity.js'
import type { PairedPeer } from './pairing.js'
import { assertPeerName, faultOfName } from './peer-name.js'

/** How many peers a file may have. */
export const MAX_KNOWN_PEERS = 1_000
/** The longest text of a file, characters: every line has room for the longest name. */
export const MAX_KNOWN_PEERS_TEXT = 200_000

const HEADER = 'usmp-relay-known-peers 1'
/** Name, which may have spaces, public key, time in UTC, whether the words were compared. */
const LINE = /^(.+) ([0-9a-f]{64}) (\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ) (verified|unverified)$/u

/** A peer that we have paired with, or whose key came by a file. */
export interface KnownPeer {
  readonly name: string
  /** 32 bytes. */
  readonly publicKey: Uint8Array
  /** When we learnt it, to the second. */
  readonly firstSeen: Date
  /** Whether somebody has compared the safety words. */
  readonly verified: boolean
}

/**
 * The peers that we know, as in a file with a line for each (specification, section 12.2). A name belongs to one key until somebody
 * forgets it: there is no way to change a key, so nothing that comes over the network can. Names that differ in case or width alone are
 * the same.
 */
export class KnownPeers {
  readonly #peers = new Map<string, KnownPeer>()
  /** The keys of {@link #peers} by their public key in hex. */
  readonly #names = new Map<string, string>()

  /**
   * The peers of a text that {@link toString} gave. There is none yet? Then take `new KnownPeers()`: an empty text was cut off.
   * @throws UsmpError INVALID_ARGUMENT with the number of the line
   */
  static parse(text: string): KnownPeers {
    const known = new KnownPeers()
    if (typeof text !== 'string' || text.length > MAX_KNOWN_PEERS_TEXT) throw unusable('it is too long to be one')
    const lines = text.split('\n')
    if (lines[0] !== HEADER) throw unusable(`line 1 must be ${JSON.stringify(HEADER)}`)
    if (lines.at(-1) !== '') throw unusable('its last line is cut off')
    for (const [index, line] of lines.slice(1, -1).entries()) known.#add(parseLine(line, index + 2), index + 2)
    return known
  }

  /** The text of a file, which {@link parse} reads. */
  toString(): string {
    return [HEADER, ...this.list().map(formatLine), ''].join('\n')
  }

  get(name: string): KnownPeer | undefined {
    return this.#peers.get(keyOf(name))
  }

  /** In the order in which we learnt them. */
  list(): readonly KnownPeer[] {
    return [...this.#peers.values()]
  }

  /**
   * Takes a peer that has just been paired with. One whose key we know already stays as it is, with its old name.
   * @param now when that is
   * @returns the peer as it is known now
   * @throws UsmpError IDENTITY_CHANGED if the name belongs to another key: nothing is changed then; INVALID_ARGUMENT, also for the peer
   * behind the thousandth
   */
  learn({ name, publicKey }: PairedPeer, now: Date): KnownPeer {
    assertPeerName(name)
    assertIdentityKey(publicKey)
    const firstSeen = wholeSeconds(now)
    const known = this.get(name)
    if (known && !equalBytes(known.publicKey, publicKey)) throw changed(known)
    const same = known ?? this.#withKey(publicKey)
    if (same) return same
    if (this.#peers.size >= MAX_KNOWN_PEERS) {
      throw new UsmpError('INVALID_ARGUMENT', `${MAX_KNOWN_PEERS} peers are known already, and that is the most`, {
        hint: 'Forget those that you do not need any more.',
      })
    }
    return this.#put({ name, publicKey: publicKey.slice(), firstSeen, verified: false })
  }

  /**
   * Notes that the safety words of a peer were compared, and were the same.
   * @throws UsmpError INVALID_ARGUMENT for an unknown name
   */
  verify(name: string): KnownPeer {
    const peer = this.get(name)
    if (!peer) throw new UsmpError('INVALID_ARGUMENT', 'no peer of this name is known')
    return this.#put({ ...peer, verified: true })
  }

  /**
   * Forgets a peer, so that another key can be learnt under its name.
   * @returns false if none of this name is known
   */
  forget(name: string): boolean {
    const peer = this.get(name)
    if (peer) this.#names.delete(toHex(peer.publicKey))
    return this.#peers.delete(keyOf(name))
  }

  #add(peer: KnownPeer, line: number): void {
    if (this.#peers.size >= MAX_KNOWN_PEERS) throw unusable(`it has more than ${MAX_KNOWN_PEERS} peers`)
    if (this.get(peer.name)) throw unusable(`line ${line} has a name for the second time`)
    if (this.#withKey(peer.publicKey)) throw unusable(`line ${line} has a key for the second time`)
    this.#put(peer)
  }

  #withKey(publicKey: Uint8Array): KnownPeer | undefined {
    const name = this.#names.get(toHex(publicKey))
    return name === undefined ? undefined : this.#peers.get(name)
  }

  #put(peer: KnownPeer): KnownPeer {
    this.#peers.set(keyOf(peer.name), peer)
    this.#names.set(toHex(peer.publicKey), keyOf(peer.name))
    return peer
  }
}

/** Names that people take for each other at a glance are one. */
function keyOf(name: string): string {
  return name.normalize('NFKC').toLowerCase()
}

function changed({ name }: KnownPeer): UsmpError {
  return new UsmpError('IDENTITY_CHANGED', `another key is known under the name ${JSON.stringify(name)}`, {
    hint: 'Ask its owner in another way whether it has a new identity. If so, forget the old one and pair again. If not, somebody poses as it.',
  })
}

function formatLine({ name, publicKey, firstSeen, verified }: KnownPeer): string {
  return `${name} ${toHex(publicKey)} ${formatTime(firstSeen)} ${verified ? 'verified' : 'unverified'}`
}

function formatTime(time: Date): string {
  return time.toISOString().replace(/\.\d+Z$/, 'Z')
}

/** Of years with four digits, as a file has them. */
function wholeSeconds(now: Date): Date {
  const year = now instanceof Date ? now.getUTCFullYear() : Number.NaN
  if (!(year >= 0 && year <= 9999)) throw new UsmpError('INVALID_ARGUMENT', 'now must be a Date of the years 0 to 9999')
  return new Date(Math.floor(now.getTime() / 1000) * 1000)
}

function parseLine(line: string, number: number): KnownPeer {
  const [, name, key, time, verified] = LINE.exec(line) ?? []
  if (name === undefined || key === undefined || time === undefined) {
    throw unusable(`line ${number} must be a name, a key of 64 hex digits, a time, and verified or unverified`)
  }
  const fault = faultOfName(name)
  if (fault) throw unusable(`the name in line ${number} ${fault}`)
  const firstSeen = new Date(time)
  // Not every text of this form is a time: February has no 30th.
  if (Number.isNaN(firstSeen.getTime()) || formatTime(firstSeen) !== time) {
    throw unusable(`the time in line ${number} does not exist`)
  }
  const publicKey = fromHex(key)
  assertIdentityKey(publicKey)
  return { name, publicKey, firstSeen, verified: verified === 'verified' }
}

function unusable(detail: string): UsmpError {
  return new UsmpError('INVALID_ARGUMENT', `the file of known peers cannot be used: ${detail}`, {
    hint: 'Take it from your backup, or correct the line. Do not delete it: a new file would take any key for any name.',
  })
}
