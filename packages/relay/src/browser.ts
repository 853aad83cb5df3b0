export { SUBPROTOCOL } from './wire.js'
