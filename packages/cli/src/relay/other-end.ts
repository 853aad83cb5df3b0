import type { UsmpError } from '@usmp/core'
import { readPskFile } from '@usmp/node'
import type { Identity, KnownPeer, PairKeys } from '@usmp/relay'
import type { Output } from '../output.js'
import { tellCode } from './code.js'
import { defaultName } from './files.js'
import type { PeerFlags } from './flags.js'
import { loadRelay, type RelayModule } from './package.js'
import { compareWords, tellLearnt, unknownPeer } from './peers.js'
import { readPublicIdentity } from './public-identity.js'
import { OwnStore, quoted } from './store.js'
import type { Way } from './way.js'

/** Whom we talk with. */
export interface OtherEnd {
  readonly name: string
  /** The caller wipes them. */
  readonly keys: PairKeys
}

/**
 * Finds out who the other end is: by a pairing, a file, or what is known already.
 * @throws UsmpError INVALID_ARGUMENT, PAIRING_FAILED, IDENTITY_CHANGED, ABORTED, and what the relay refuses with
 */
export async function otherEnd(flags: PeerFlags, way: Way, output: Output, signal: AbortSignal): Promise<OtherEnd> {
  const { pairKeyFile, side } = flags
  if (pairKeyFile !== undefined) return ofPairKey(pairKeyFile, side!)
  const store = new OwnStore(flags, output)
  const identity = await store.identity()
  try {
    const peer = await peerOf(flags, { way, output, signal, store, identity })
    return { name: peer.name, keys: identity.pairWith(peer.publicKey) }
  } finally {
    identity.wipe()
  }
}

async function ofPairKey(file: string, side: 0 | 1): Promise<OtherEnd> {
  const { pairKeysFrom } = await loadRelay()
  const pairKey = await readPskFile(file)
  try {
    return { name: 'the device', keys: pairKeysFrom(pairKey, side) }
  } finally {
    pairKey.fill(0)
  }
}

interface Surroundings {
  readonly way: Way
  readonly output: Output
  readonly signal: AbortSignal
  readonly store: OwnStore
  readonly identity: Identity
}

async function peerOf(flags: PeerFlags, around: Surroundings): Promise<KnownPeer> {
  const { to, peerFile } = flags
  const { store, output } = around
  if (to !== undefined) {
    const known = (await store.peers()).get(to)
    if (!known) throw unknownPeer(to)
    return known
  }
  if (peerFile === undefined) return pair(flags, around)
  const peer = await store.learn(await readPublicIdentity(peerFile))
  tellLearnt(peer, output, compareWords(peer, store))
  return peer
}

/** Meets the other end by a code, as host or as guest. */
async function pair(flags: PeerFlags, { way, output, signal, store, identity }: Surroundings): Promise<KnownPeer> {
  const { code: typed, name = defaultName() } = flags
  const relay: RelayModule = await loadRelay()
  const { PairingCode, hostByCode, joinByCode } = relay
  relay.assertPeerName(name)
  const code = typed === undefined ? PairingCode.generate() : PairingCode.parse(typed)
  if (typed === undefined) tellCode(code.toString(), flags, output)
  const meet = typed === undefined ? hostByCode : joinByCode
  const peer = await meet({
    ...way,
    code,
    identity,
    name,
    signal,
    onWaiting: () => output.status('waiting for the other end', { event: 'pairing', state: 'waiting' }),
    onRetry: ({ code, message }: UsmpError) => {
      output.status(`${message} [${code}]; trying again`, { event: 'pairing', state: 'away', code, message })
    },
  })
  const known = await store.learn(peer)
  tellLearnt(known, output, `The next time, without a code: --to ${quoted(known.name)}`)
  return known
}
