import { fromHex, toHex, UsmpError } from '@usmp/core'
import { readSecretJson } from '@usmp/node/key-files'
import type { PairedPeer } from '@usmp/relay'
import { loadRelay, type RelayModule } from './package.js'

const TYPE = 'usmp-relay-peer'
const VERSION = 1
const KEY = /^[\da-f]{64}$/

/**
 * What others need to know a peer by, as the text of a file.
 * @throws UsmpError INVALID_ARGUMENT for a name that cannot be one
 */
export async function formatPublicIdentity({ name, publicKey }: PairedPeer): Promise<string> {
  const relay: RelayModule = await loadRelay()
  relay.assertPeerName(name)
  return `${JSON.stringify({ v: VERSION, type: TYPE, name, public: toHex(publicKey) }, undefined, 2)}\n`
}

/**
 * The peer in such a file. Name and key are checked when they are learnt. It is no secret; what matters is who could change it, so the
 * same warnings apply as to one.
 * @throws UsmpError INVALID_ARGUMENT
 */
export async function readPublicIdentity(file: string): Promise<PairedPeer> {
  const { v, type, name, public: key } = await readSecretJson(file)
  if (v === VERSION && type === TYPE && typeof name === 'string' && typeof key === 'string' && KEY.test(key)) {
    return { name, publicKey: fromHex(key) }
  }
  throw new UsmpError('INVALID_ARGUMENT', `${file} is not the exported identity of a peer`, {
    hint: 'The other end makes one: `usmp relay identity export FILE`. The file of an identity itself is never given away.',
  })
}
