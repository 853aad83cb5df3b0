export { completeLimits } from './server/limits.js'
export { PeerSockets } from './server/peer-sockets.js'
export { faultOfToken } from './server/tokens.js'
export { CloseCode, decodeJoin, encodeJoin, RelayMessage, SUBPROTOCOL } from './wire.js'
