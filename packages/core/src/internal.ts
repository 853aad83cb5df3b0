// For the tests and tools of this repository: parts of the core that stand behind its API. Nothing here is promised to anybody;
// every release may change or remove it.
export { copyBytes, isZero, writeUint32 } from './bytes.js'
export { MAX_COBS_FRAME } from './cobs.js'
export { messageLimits, Reassembler, splitMessage } from './fragment.js'
export { finishFrame, writeHeader } from './frame.js'
export type { ClientHandshake, HandshakeResult } from './handshake/handshake.js'
export { deriveKeys, deriveRekeyKeys, type TrafficKeys } from './keys.js'
export { RecordLayer } from './record-layer.js'
export { ReplayWindow } from './replay.js'
export { decodeUtack, encodeUtack, isHandshakeType, isUtack, verifyUtack } from './utack.js'
export { keySchedule as keySchedule1 } from './wire-version-1.js'
export { keySchedule as keySchedule2, wireVersion2 } from './wire-version-2.js'
