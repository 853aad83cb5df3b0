// The relay itself. It imports `ws`, Node and the wire of the relay, and nothing of the core: it must not be able to read more.
export type { RelayClock } from './server/clock.js'
export { DEFAULT_LIMITS, type RelayLimits } from './server/limits.js'
export type { RelayOptions } from './server/options.js'
export { type Relay, startRelay } from './server/relay.js'
export { RelayError, type RelayErrorCode } from './server/relay-error.js'
export type { RelayTls } from './server/tls.js'
export { formatToken, issueToken, parseToken, type TokenOptions } from './server/tokens.js'
export { SUBPROTOCOL } from './wire.js'
