import { readPemFile } from '@usmp/node/key-files'
import type { Dial } from '@usmp/relay'
import { readSecretText } from '../secret-text.js'
import type { RelayFlags } from './flags.js'
import { loadNode, loadServer } from './package.js'

/** How to reach a relay. */
export interface Way {
  readonly relay: URL
  readonly dial: Dial
  readonly token: Uint8Array | undefined
}

/** @throws UsmpError INVALID_ARGUMENT */
export async function wayTo({ relay, tokenFile, ca, pin, cert, key }: RelayFlags): Promise<Way> {
  const { nodeDial } = await loadNode()
  return {
    relay,
    dial: nodeDial({
      ...(ca === undefined ? {} : { ca: await readPemFile(ca) }),
      ...(pin === undefined ? {} : { pin }),
      ...(cert === undefined ? {} : { cert: await readPemFile(cert) }),
      ...(key === undefined ? {} : { key: await readPemFile(key) }),
    }),
    token: tokenFile === undefined ? undefined : await readToken(tokenFile),
  }
}

async function readToken(file: string): Promise<Uint8Array> {
  const text = await readSecretText(file)
  const { parseToken } = await loadServer()
  return parseToken(text)
}
