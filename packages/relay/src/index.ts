export { ClosedByRelay, type Dial, type DialOptions } from './dial.js'
export { Identity } from './identity.js'
export { type PairKeys, pairKeysFrom } from './pair-keys.js'
export { CloseCode, type Side } from './wire.js'
