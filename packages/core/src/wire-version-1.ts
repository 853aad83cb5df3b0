import { KEY_SIZE, PacketType, WIRE_VERSION_1 } from './constants.js'
import { ChallengeClient } from './handshake/client.js'
import { ChallengeServer } from './handshake/server.js'
import type { KeySchedule } from './keys.js'
import type { WireProtocol } from './wire-protocol.js'
import { wireVersion2 } from './wire-version-2.js'

/** Wire version 1 numbers no frame of the handshake. */
const HELLO_ACK_SEQ = 0

/** One key for both directions, and proofs that name no message: broken (specification, section 9). */
export const keySchedule: KeySchedule = {
  info: /* @__PURE__ */ new TextEncoder().encode('usmp-v1'),
  keyBytes: KEY_SIZE,
  macPrefix: () => new Uint8Array(0),
}

/**
 * Wire version 1 of old firmware, for the option `unsafeWireVersion1`. Its encryption is broken: both directions share one
 * key stream. Use it only to reach old firmware and upgrade it (specification, section 9).
 */
export const wireVersion1: WireProtocol = {
  version: WIRE_VERSION_1,
  handshakeTypes: wireVersion2.handshakeTypes,
  sessionTypes: {
    [PacketType.DATA]: 'any',
    [PacketType.DATA_FRAG]: 'any',
    [PacketType.PING]: 0,
    [PacketType.PONG]: 0,
    [PacketType.BYE]: 0,
  },
  recordFormat: wireVersion2.recordFormat,
  client: (config) => new ChallengeClient(config, keySchedule, HELLO_ACK_SEQ),
  server: (config) => new ChallengeServer(config, keySchedule),
}
