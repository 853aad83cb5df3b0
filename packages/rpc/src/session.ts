import type { Abortable, UsmpError } from '@usmp/core'

/** What carries the messages: a `Session` of @usmp/core, or anything that behaves like one. */
export interface RpcSession {
  /** The longest message that it carries, bytes; more than 11. JSON that is longer is cut into chunks of this size. */
  readonly maxMessage: number
  send(message: Uint8Array | string, options?: Abortable): Promise<void>
  trySend(message: Uint8Array | string): boolean
  receive(options?: Abortable): Promise<Uint8Array | undefined>
  readonly closed: Promise<UsmpError>
  close(reason?: UsmpError): Promise<void>
}
