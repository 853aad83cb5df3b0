export { type Announcement, announce } from './announce.js'
export type { AnnounceChanges } from './announcement-facts.js'
export {
  connect,
  type FindingConnectOptions,
  type FindingSessionsOptions,
  type SearchOptions,
  sessions,
} from './connect.js'
export { discover, type Search } from './discover.js'
export { type Carrier, type CarrierKind, carrierKinds, type Facts, type Role } from './facts.js'
export type { Found, FoundAddress, Way } from './found.js'
export type { AnnounceOptions, DiscoverOptions, ListeningCarrier, PlaceOptions } from './options.js'
export { QUERY_GROUP, QUERY_PORT } from './query.js'
export type { Tried } from './search-report.js'
export { type WhyNothing, whyNothing } from './why-nothing.js'
