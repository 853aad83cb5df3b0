// For the tests and tools of this repository: the datagrams of discovery. Nothing here is promised to anybody; every release may
// change or remove it.
export { encode as encodePacket } from 'dns-packet'
export { answersTo, legacyAnswer, recordsOf, sightingsIn } from './dns-sd.js'
export { factsKey, faultOf, sameFacts } from './facts.js'
export { FoundTable } from './found.js'
export { read } from './mdns-link.js'
export {
  type Answer,
  decodeAnswer,
  decodeQuery,
  encodeAnswer,
  encodeQuery,
  MAX_ANSWER,
  NONCE_SIZE,
  QUERY_SIZE,
  type Query,
} from './query.js'
export { decodeTxt, encodeTxt } from './txt.js'
