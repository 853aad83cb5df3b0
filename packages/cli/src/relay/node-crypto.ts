import { CipherSuite } from '@usmp/core'
import { nodeProvider, nodeRandom, prepareSuite } from '@usmp/node'

/** The cryptography of Node for the sessions of a relay peer, all of which use one suite: quicker than plain JavaScript. */
export async function nodeCrypto() {
  await prepareSuite(CipherSuite.CHACHA20_POLY1305)
  return { provider: nodeProvider, random: nodeRandom }
}
