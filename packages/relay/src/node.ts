export { nodeDial } from './node-dial.js'
export { SUBPROTOCOL } from './wire.js'
