import type { Socket } from 'node:net'

/** Bytes of a length field at most, and the bit that says that another byte follows. */
const LENGTH_SIZE = 4
const MORE = 0x80

/**
 * Cuts a connection off as soon as it announces an MQTT packet of more than `max` bytes. The broker would collect one of up to 256 MB
 * before it asks who sends it. It looks at what the socket hands on by `push`, so nothing is copied.
 */
export function limitPackets(socket: Socket, max: number): void {
  const push = socket.push.bind(socket)
  const isTooLong = packetWatch(max)
  socket.push = (chunk: Uint8Array | null, encoding?: BufferEncoding) => {
    if (chunk && isTooLong(chunk)) {
      socket.destroy()
      return false
    }
    return push(chunk, encoding)
  }
}

/** Follows the fixed headers of a stream of packets; tells whether one announces more than `max` bytes. */
function packetWatch(max: number): (chunk: Uint8Array) => boolean {
  /** Bytes of a packet that are still to come; 0: its first byte is next. */
  let left = 0
  /** Bytes of the length that have come; undefined: none is being read. */
  let digits: number | undefined
  let length = 0
  return (chunk) => {
    for (let at = 0; at < chunk.length; ) {
      if (left > 0) {
        const skipped = Math.min(left, chunk.length - at)
        left -= skipped
        at += skipped
        continue
      }
      const byte = chunk[at++]!
      if (digits === undefined) {
        digits = 0
        length = 0
        continue
      }
      length += (byte & ~MORE) * MORE ** digits++
      if (length > max || digits > LENGTH_SIZE) return true
      if (byte & MORE) continue
      left = length
      digits = undefined
    }
    return false
  }
}
