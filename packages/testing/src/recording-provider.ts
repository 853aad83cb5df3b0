import type { Aead, CryptoProvider, KeyPair } from '@usmp/core'
import { nobleProvider, toHex } from '@usmp/core'

/** A provider that notes what it is used for. */
export interface Recording extends CryptoProvider {
  /** (key, nonce) pairs that have sealed more than once; a broken encryption. */
  readonly sealedTwice: string[]
  /** How many (key, nonce) pairs have sealed. */
  readonly seals: () => number
  /** Private keys and AEAD keys that were made and not wiped yet, by a name. */
  readonly alive: () => string[]
  /** Every array handed out that holds a secret: shared secrets and derived keys. */
  readonly secrets: { readonly name: string; readonly bytes: Uint8Array }[]
  /** Makes the n-th next call of `seal` throw (1 is the next). */
  failSealIn(calls: number): void
}

export function recordingProvider(base: CryptoProvider = nobleProvider): Recording {
  const used = new Set<string>()
  const sealedTwice: string[] = []
  const living = new Map<object, string>()
  const secrets: { name: string; bytes: Uint8Array }[] = []
  let failIn = 0

  function recordKeyPair(pair: KeyPair): KeyPair {
    const recorded: KeyPair = {
      publicKey: pair.publicKey,
      agree(peerPublic) {
        const bytes = pair.agree(peerPublic)
        secrets.push({ name: 'shared', bytes })
        return bytes
      },
      wipe() {
        living.delete(recorded)
        pair.wipe()
      },
    }
    living.set(recorded, `private key of ${toHex(pair.publicKey).slice(0, 8)}`)
    return recorded
  }

  return {
    ...base,
    name: `recording ${base.name}`,
    sealedTwice,
    seals: () => used.size,
    alive: () => [...living.values()],
    secrets,
    failSealIn: (calls) => (failIn = calls),
    generateKeyPair: (random) => recordKeyPair(base.generateKeyPair(random)),
    hmacSha256: base.hmacSha256,
    hkdfSha256(ikm, salt, info, length) {
      const bytes = base.hkdfSha256(ikm, salt, info, length)
      secrets.push({ name: 'hkdf output', bytes }, { name: 'hkdf input', bytes: ikm })
      return bytes
    },
    aead(suite, key): Aead {
      secrets.push({ name: 'session key', bytes: key })
      const keyName = toHex(key)
      const aead = base.aead(suite, key)
      const recorded: Aead = {
        seal(nonce, aad, plaintext, out) {
          const pair = `${keyName} ${toHex(nonce)}`
          if (used.has(pair)) sealedTwice.push(pair)
          used.add(pair)
          if (failIn > 0 && --failIn === 0) throw new Error('the hardware refused')
          aead.seal(nonce, aad, plaintext, out)
        },
        open: (nonce, aad, sealed) => aead.open(nonce, aad, sealed),
        wipe() {
          living.delete(recorded)
          aead.wipe()
        },
      }
      living.set(recorded, `AEAD ${keyName.slice(0, 8)}`)
      return recorded
    },
  }
}
