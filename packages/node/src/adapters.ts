// For who writes a listener or a transport of their own for Node, such as `@usmp/mqtt`: parts that the listeners of this package are made of.
export { certificateError } from './certificate-error.js'
export { certificatePin } from './certificate-pin.js'
export { DatagramDemultiplexer, type DatagramNetwork, type DatagramPeer } from './datagram-demultiplexer.js'
export { addressBlock } from './ip-address.js'
export { connectTable, sessionsTable } from './options.js'
export { allowManyListeners } from './signals.js'
export { type Rate, RateLimit } from './token-bucket.js'
export {
  type CloseCause,
  connectWebSocket,
  type TlsOptions,
  type WebSocketClientOptions,
  webSocketTransport,
} from './websocket.js'
