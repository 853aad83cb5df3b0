import {
  KEY_SIZE,
  MAGIC_BYTE_0,
  MAGIC_BYTE_1,
  MAX_PLAINTEXT,
  PacketType,
  REKEY_SALT_SIZE,
  SEAL_OVERHEAD,
  WIRE_VERSION,
} from './constants.js'
import { ChallengeClient } from './handshake/client.js'
import { ChallengeServer } from './handshake/server.js'
import type { KeySchedule } from './keys.js'
import type { WireProtocol } from './wire-protocol.js'

/** HELLO_ACK is the third frame of the client: HELLO and its repetition with a cookie have 0 and 1. */
const HELLO_ACK_SEQ = 2

/** Keys and proofs of wire version 2 (specification, sections 3.7 and 3.8). */
export const keySchedule: KeySchedule = {
  info: /* @__PURE__ */ new TextEncoder().encode('usmp-v2'),
  keyBytes: 2 * KEY_SIZE,
  macPrefix: (type) => Uint8Array.of(MAGIC_BYTE_0, MAGIC_BYTE_1, WIRE_VERSION, type),
}

/** Wire version 2, the one of today. */
export const wireVersion2: WireProtocol = {
  version: WIRE_VERSION,
  handshakeTypes: [
    PacketType.HELLO,
    PacketType.HELLO_RETRY,
    PacketType.CHALLENGE,
    PacketType.HELLO_ACK,
    PacketType.SESSION_OK,
  ],
  sessionTypes: {
    [PacketType.DATA]: 'any',
    [PacketType.DATA_FRAG]: 'any',
    [PacketType.PING]: 0,
    [PacketType.PONG]: 0,
    [PacketType.BYE]: 0,
    [PacketType.REKEY]: REKEY_SALT_SIZE,
  },
  recordFormat: { overhead: SEAL_OVERHEAD, maxPlaintext: MAX_PLAINTEXT, nonceOnWire: true },
  client: (config) => new ChallengeClient(config, keySchedule, HELLO_ACK_SEQ),
  server: (config) => new ChallengeServer(config, keySchedule),
}
