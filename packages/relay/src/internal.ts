// For the tests and tools of this repository: parts that stand behind the API. Nothing here is promised to anybody; every release may
// change or remove it.
export {
  type Cell,
  CellKind,
  decodeCell,
  decodeCount,
  decodeHello,
  encodeCell,
  encodeCount,
  encodeHello,
} from './cell.js'
export { Identity } from './identity.js'
export { openIdentity, readIdentityHeader, sealIdentity } from './identity-file.js'
export { IncomingMessages } from './incoming-messages.js'
export { KnownPeers } from './known-peers.js'
export { OutgoingMessages } from './outgoing-messages.js'
export { hostPairing } from './pairing.js'
export { PairingCode } from './pairing-code.js'
export {
  decodeAnswer,
  decodeConfirmation,
  decodeIntroduction,
  decodeOffer,
  encodeAnswer,
  encodeConfirmation,
  encodeIntroduction,
  encodeOffer,
} from './pairing-messages.js'
export { faultOfName } from './peer-name.js'
export { completeLimits } from './server/limits.js'
export { PeerSockets } from './server/peer-sockets.js'
export { faultOfToken } from './server/tokens.js'
export { CloseCode, decodeJoin, encodeJoin, RelayMessage, SUBPROTOCOL } from './wire.js'
