// For the tests and tools of this repository: transports that `listen` and `connect` make. Nothing here is promised to anybody;
// every release may change or remove it.
export type { ConnectionHandler } from './listener.js'
export { connectSerial } from './serial-port.js'
export { udpTransport } from './udp.js'
export { WebSocketListener } from './websocket-listener.js'
