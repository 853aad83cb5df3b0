export { abortError, onAbort, throwIfAborted } from './abort.js'
export { concatBytes, equalBytes, fromHex, toHex, wipe } from './bytes.js'
export { afterReading, type Clock, systemClock } from './clock.js'
export { cobsDecode, cobsEncode, encodeSerial, SerialDecoder } from './cobs.js'
export { Connection } from './connection.js'
export type { ConnectionEvent } from './connection-events.js'
export {
  type Authorization,
  type ClientOptions,
  checkAuthorization,
  type ServerOptions,
  type TransportKind,
} from './connection-options.js'
export {
  CipherSuite,
  cipherSuiteNames,
  MAX_FRAME,
  MAX_MESSAGE,
  MAX_PAYLOAD,
  MAX_PLAINTEXT,
  PacketType,
  packetTypeName,
  WIRE_VERSION,
  type WireVersion,
} from './constants.js'
export { crc16 } from './crc16.js'
export type { Aead, CryptoProvider, KeyPair, RandomSource } from './crypto.js'
export { nobleProvider } from './crypto-noble.js'
export type { DatagramOptions } from './datagram.js'
export { FrameDecoder } from './deframer.js'
export { formatDeviceId, parseDeviceId } from './device-id.js'
export { asUsmpError, type ErrorCode, type ErrorFamily, errorCodes, UsmpError } from './errors.js'
export { pskFingerprint } from './fingerprint.js'
export { decodeFrame, encodeFrame, type Frame } from './frame.js'
export type { CookieGuard, UnprovenDevice } from './handshake/handshake.js'
export { assertPsk, deriveDevicePsk, parsePsk } from './psk.js'
export type { UnprovenAttempt } from './psk-lookup.js'
export { type ReconnectOptions, reconnecting } from './reconnect.js'
export { SerialMultiplexer } from './serial-multiplexer.js'
export {
  type Abortable,
  type AcceptOptions,
  type ConnectOptions,
  ExtensionEvent,
  Session,
} from './session.js'
export { type StreamTransportOptions, streamTransport, type Transport, type TransportSink } from './transport.js'
export { type Waiter, WaitQueue } from './wait-queue.js'
export type { RecordFormat, WireProtocol } from './wire-protocol.js'
