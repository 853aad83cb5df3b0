export { browserDial } from './browser-dial.js'
export { SUBPROTOCOL } from './wire.js'
