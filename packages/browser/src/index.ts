export {
  type Authorization,
  CipherSuite,
  deriveDevicePsk,
  type ErrorCode,
  ExtensionEvent,
  formatDeviceId,
  parseDeviceId,
  Session,
  streamTransport,
  type Transport,
  UsmpError,
} from '@usmp/core'
export { type AcceptAllOptions, acceptAll } from './accept-all.js'
export {
  type AcceptOptions,
  accept,
  type ConnectOptions,
  connect,
  type SessionsOptions,
  sessions,
} from './connect.js'
export {
  type BrowserCredentials,
  browserCredentials,
  type CredentialsOptions,
  type CredentialsPage,
} from './credentials.js'
export { browserDeviceId } from './device-id.js'
export { messagePortTransport } from './message-port.js'
export { webRandom } from './random.js'
export { type OpenSerialPort, serialTransport } from './web-serial.js'
export { openWebSocket, webSocketTransport } from './websocket.js'
