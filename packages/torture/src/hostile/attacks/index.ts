import { datagramAttacks } from './datagrams.js'
import { handshakeAttacks } from './handshakes.js'
import { maliciousPeerAttacks } from './malicious-peer.js'
import { oneKeyAttacks } from './one-key.js'
import { spoofedAttacks } from './spoofed.js'
import type { Attack } from './test-target.js'

export const attacks: readonly Attack[] = [
  ...handshakeAttacks,
  ...maliciousPeerAttacks,
  ...datagramAttacks,
  ...oneKeyAttacks,
  ...spoofedAttacks,
]
