export { RpcCode, RpcError } from './codes.js'
export {
  type CallContext,
  type Contract,
  contract,
  type EmptyContract,
  type NotificationHandlers,
  type NotificationName,
  type NotificationParams,
  type RequestHandlers,
  type RequestName,
  type RequestParams,
  type RequestResult,
  type Schema,
  type ServedStream,
  type StreamHandlers,
  type StreamItem,
  type StreamName,
  type StreamParams,
} from './contract.js'
export type { Limits } from './limits.js'
export { Peer, type RequestOptions, type RpcOptions, rpc, type StreamOptions } from './peer.js'
export {
  Reconnecting,
  type ReconnectingOptions,
  type ReconnectingRequestOptions,
  reconnecting,
} from './reconnecting.js'
export type { RpcSession } from './session.js'
