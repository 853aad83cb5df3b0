export {
  CipherSuite,
  cipherSuiteNames,
  deriveDevicePsk,
  type ErrorCode,
  ExtensionEvent,
  formatDeviceId,
  parseDeviceId,
  parsePsk,
  Session,
  streamTransport,
  type Transport,
  UsmpError,
} from '@usmp/core'
export { pskFromPassphrase } from '@usmp/core/passphrase'
export { nodeClock } from './clock.js'
export { type ConnectOptions, connect, type SessionsOptions, sessions } from './connect.js'
export { nodeProvider, nodeRandom, prepareSuite } from './crypto-node.js'
export { duplexTransport } from './duplex.js'
export { readPskFile, readPskTable } from './key-files.js'
export type { ListenOptions, WebSocketOptions } from './listen-options.js'
export type { AcceptOptions } from './listener.js'
export type { PskContext, PskEntry, PskFunction, PskOptions, PskSource, PskTable } from './psk-source.js'
export type { SerialSource } from './serial.js'
export { type SerialOptions, serialPort } from './serial-port.js'
export { listen, type Server } from './server.js'
export { RefusedEvent, SessionEvent, WarningEvent } from './server-events.js'
export { connectTcp, type TcpOptions, tcpTransport } from './tcp.js'
export { connectUdp, type UdpClientTransport, type UdpOptions } from './udp.js'
export type { UnprovenDevice } from './unproven-devices.js'
