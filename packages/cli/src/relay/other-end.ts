import type { UsmpError } from '@usmp/core'
import { readPskFile } from '@usmp/node'
import type { Identity, KnownPeer, PairKeys } from '@usmp/relay'
import type { Output } from '../output.js'
import { tellCode } from './code.js'
import { defaultName } from './files.js'
import type { PeerFlags } from './flags.js'
import { nodeCrypto } from './node-crypto.js'
import { loadRelay, type RelayModule } from './package.js'
import { compareWords, knownPeer, tellLearnt } from './peers.js'
import { readPublicIdentity } from './public-identity.js'
import { reasonOf, relayHint } from './relay-reason.js'
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
  const { pairKeyFile, side, to } = flags
  if (pairKeyFile !== undefined) return ofPairKey(pairKeyFile, side!)
  const store = new OwnStore(flags, output)
  // Before an identity is made, or a passphrase asked for, in vain.
  const known = to === undefined ? undefined : await knownPeer(to, store)
  const identity = await store.identity()
  try {
    const peer = known ?? (await newPeer(flags, { way, output, signal, store, identity }))
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

/** A peer of a file, or of a pairing. */
async function newPeer(flags: PeerFlags, around: Surroundings): Promise<KnownPeer> {
  const { peerFile } = flags
  const { store, output } = around
  if (peerFile === undefined) return pair(flags, around)
  const learnt = await store.learn(await readPublicIdentity(peerFile))
  tellLearnt(learnt, output, compareWords(learnt.peer, store))
  return learnt.peer
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
    ...(await nodeCrypto()),
    code,
    identity,
    name,
    signal,
    onWaiting: () => output.status('waiting for the other end', { event: 'pairing', state: 'waiting' }),
    onRetry: retryTeller(way.relay, output),
  })
  const learnt = await store.learn(peer)
  tellLearnt(learnt, output, `The next time, without a code: --to ${quoted(learnt.peer.name)}`)
  return learnt.peer
}

/** Tells people each reason once, and programs each attempt. */
function retryTeller(relay: URL, output: Output): (error: UsmpError) => void {
  let told = ''
  return (error) => {
    const text = `not connected to ${relay.host}; ${reasonOf(error)}; trying again`
    if (text === told && !output.json) return
    told = text
    const { code, message } = error
    output.status(text, { event: 'pairing', state: 'away', code, message }, relayHint(error))
  }
}
