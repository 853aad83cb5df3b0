export { type Carrier, type CarrierKind, carrierKinds, type Facts, type Role } from './facts.js'
export { QUERY_GROUP, QUERY_PORT } from './query.js'
