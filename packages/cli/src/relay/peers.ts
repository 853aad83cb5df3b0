import { toHex, UsmpError } from '@usmp/core'
import type { KnownPeer } from '@usmp/relay'
import { ExitCode } from '../exit-code.js'
import type { Output } from '../output.js'
import type { IdentityFlags } from './files.js'
import { readPublicIdentity } from './public-identity.js'
import { type Learnt, OwnStore, quoted } from './store.js'

/** Lists the known peers. */
export async function peersCommand(flags: IdentityFlags, output: Output): Promise<number> {
  const peers = (await new OwnStore(flags, output).peers()).list()
  for (const peer of peers) await output.result(lineOf(peer), { event: 'peer', ...fieldsOf(peer) })
  if (peers.length === 0) {
    output.status(
      'no peer is known',
      { event: 'no-peers' },
      'One becomes known by a code: usmp relay peer --relay URL --new-code',
    )
  }
  return ExitCode.OK
}

/** Remembers the peer of a file. */
export async function addCommand(file: string, flags: IdentityFlags, output: Output): Promise<number> {
  const store = new OwnStore(flags, output)
  const learnt = await store.learn(await readPublicIdentity(file))
  tellLearnt(learnt, output, compareWords(learnt.peer, store))
  return ExitCode.OK
}

/** Notes that the words were compared. */
export async function verifyCommand(name: string, flags: IdentityFlags, output: Output): Promise<number> {
  const store = new OwnStore(flags, output)
  const peer = await store.change((peers) => (peers.get(name) ? peers.verify(name) : undefined))
  if (!peer) throw unknownPeer(name, store)
  output.status(`${peer.name} is verified`, { event: 'verified', ...fieldsOf(peer) })
  return ExitCode.OK
}

/** Forgets a peer. */
export async function forgetCommand(name: string, flags: IdentityFlags, output: Output): Promise<number> {
  const store = new OwnStore(flags, output)
  const isKnown = await store.change((peers) => peers.forget(name))
  if (!isKnown) throw unknownPeer(name, store)
  const text = `${name} is forgotten`
  output.status(
    text,
    { event: 'forgotten', peer: name },
    'The next pairing may bring another identity under this name.',
  )
  return ExitCode.OK
}

/** Says that a peer is known, and what follows from that. */
export function tellLearnt({ peer, isNew, callsItself }: Learnt, output: Output, advice: string): void {
  const known = isNew ? 'is known from now on' : 'is known already, with the same key'
  const name = callsItself === peer.name ? '' : `; it calls itself ${callsItself} now`
  output.status(`${peer.name} ${known}${name}`, { event: 'known', ...fieldsOf(peer) }, advice)
}

/** What to do about a key that came by a file. */
export function compareWords({ name, verified }: KnownPeer, store: OwnStore): string {
  if (verified) return ''
  return `Who could change the file can be in between. Compare the words: ${store.command(`identity words ${quoted(name)}`)}`
}

/** @throws UsmpError INVALID_ARGUMENT */
export async function knownPeer(name: string, store: OwnStore): Promise<KnownPeer> {
  const peer = (await store.peers()).get(name)
  if (!peer) throw unknownPeer(name, store)
  return peer
}

function unknownPeer(name: string, store: OwnStore): UsmpError {
  return new UsmpError('INVALID_ARGUMENT', `no peer is known as ${JSON.stringify(name)}`, {
    hint: `\`${store.command('peers')}\` lists them. A new one becomes known by a code: \`${store.command('peer --relay URL --new-code')}\`.`,
  })
}

function lineOf(peer: KnownPeer): string {
  const { name, key, since, verified } = { key: toHex(peer.publicKey), since: peer.firstSeen.toISOString(), ...peer }
  return `${name}  ${key}  since ${since.slice(0, 10)}  ${verified ? 'verified' : 'words not compared'}`
}

function fieldsOf({ name, publicKey, firstSeen, verified }: KnownPeer) {
  return { peer: name, public_key: toHex(publicKey), first_seen: firstSeen.toISOString(), verified }
}
