// Parts for the fuzzing of this repository: no socket is in them. Not for others.
export { limitPackets } from './packet-limit.js'
export { decodePresence, encodePresence } from './presence.js'
export { topicsOf } from './topics.js'
