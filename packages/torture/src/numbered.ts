const NUMBER_SIZE = 4

/** A message that tells its number, and whose every byte follows from it. */
export function numbered(n: number, size: number): Uint8Array {
  const message = Uint8Array.from({ length: NUMBER_SIZE + size }, (_, i) => n * 31 + i * 7)
  new DataView(message.buffer).setUint32(0, n)
  return message
}

/** The number of a message. Throws for one that is not as {@link numbered} made it. */
export function numberOf(message: Uint8Array): number {
  const n = new DataView(message.buffer, message.byteOffset, message.byteLength).getUint32(0)
  if (Buffer.compare(message, numbered(n, message.length - NUMBER_SIZE)) !== 0) {
    throw new Error(`message ${n} of ${message.length} bytes is not what was sent`)
  }
  return n
}
