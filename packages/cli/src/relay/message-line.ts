/** What carries the messages of a conversation: a channel, or plain sessions one after another. */
export interface MessageLine {
  /** Bytes. */
  readonly maxMessage: number
  /** Messages that were taken and of which nobody knows whether they arrived. */
  readonly undelivered: number
  /** What comes from the other end, until the line is over. Throws what has ended it, if that is an error. */
  messages(): AsyncIterable<Uint8Array>
  /** Takes a message, or waits until there is room for it. */
  send(message: Uint8Array): Promise<void>
  /** Takes a message if there is room for it now. */
  trySend(message: Uint8Array, options: { readonly ttl?: number }): boolean
  /** Ends the line once the other end has everything. */
  close(): Promise<void>
  /** Ends the line now. */
  abort(): Promise<void>
}
