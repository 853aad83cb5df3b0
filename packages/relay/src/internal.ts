export { encodeJoin, SUBPROTOCOL } from './wire.js'
