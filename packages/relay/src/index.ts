export { Channel, type ChannelOptions, type SendOptions, type TrySendOptions, UndeliveredEvent } from './channel.js'
export { type CircuitOptions, openCircuit } from './circuit.js'
export { type Cover, type SessionTiming, sessionTiming } from './cover.js'
export { ClosedByRelay, type Dial, type DialOptions } from './dial.js'
export { Identity } from './identity.js'
export {
  type IdentityHeader,
  openIdentity,
  readIdentityHeader,
  sealIdentity,
  WrongPassphrase,
} from './identity-file.js'
export { type KnownPeer, KnownPeers } from './known-peers.js'
export { hostByCode, joinByCode, type PairByCodeOptions } from './pair-by-code.js'
export { type PairKeys, pairKeysFrom } from './pair-keys.js'
export { hostPairing, joinPairing, type PairedPeer, type PairingOptions } from './pairing.js'
export { CODE_LIFETIME, PairingCode } from './pairing-code.js'
export { RelayPeer, type RelayPeerOptions, RelayStateEvent } from './peer.js'
export { assertPeerName, MAX_NAME_SIZE } from './peer-name.js'
export { type RelaySessionsOptions, relaySessions } from './relay-sessions.js'
export type { RelayState, RelayStatus } from './relay-status.js'
export { safetyWords } from './safety-words.js'
export { CloseCode, type Side } from './wire.js'
