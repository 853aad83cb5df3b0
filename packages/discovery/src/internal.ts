// For the tests and tools of this repository: the datagrams of discovery. Nothing here is promised to anybody; every release may
// change or remove it.
export { factsKey, faultOf, sameFacts } from './facts.js'
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
