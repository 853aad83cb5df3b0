export { ClosedByRelay, type Dial, type DialOptions } from './dial.js'
export { CloseCode, type Side } from './wire.js'
