import { datagramAttacks } from './datagrams.js'
import { handshakeAttacks } from './handshakes.js'
import { oneKeyAttacks } from './one-key.js'
import { spoofedAttacks } from './spoofed.js'
import { traitorAttacks } from './traitors.js'
import type { Attack } from './victim.js'

export const attacks: readonly Attack[] = [
  ...handshakeAttacks,
  ...traitorAttacks,
  ...datagramAttacks,
  ...oneKeyAttacks,
  ...spoofedAttacks,
]
