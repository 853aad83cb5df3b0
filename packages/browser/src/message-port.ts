import { MAX_FRAME, type Transport, UsmpError } from '@usmp/core'
import { PausableBuffer } from './pausable-buffer.js'
import { settledWithin } from './timeout.js'

/** Bytes that may be under way before the other side has read them. */
const WINDOW = 256 * 1024
/** What was read is reported in portions of this many bytes. */
const REPORT = WINDOW / 8
/** How long a close waits for the other side's, ms. */
const CLOSE_TIMEOUT = 2_000

/**
 * A message port as a transport, for a page and its worker, frame or other window. Both ends are of this kind. On the port
 * go bytes, one frame each; a number, so many bytes were read, as ports have no back pressure; null, the end.
 */
export function messagePortTransport(port: MessagePort): Transport {
  let unread = 0
  let blocked = false
  let toReport = 0
  const incoming = new PausableBuffer(2 * WINDOW, (bytes) => {
    toReport += bytes
    if (toReport < REPORT) return
    port.postMessage(toReport)
    toReport = 0
  })
  let finish: () => void
  const finished = new Promise<void>((resolve) => (finish = resolve))

  function end(cause?: unknown): void {
    incoming.end(cause)
    finish()
  }

  /** The other side has read. It cannot have read more than was sent: that would switch back pressure off. */
  function onRead(bytes: number): void {
    if (bytes <= 0 || bytes > unread) return end(new UsmpError('BAD_MAGIC', `${bytes} bytes read, of ${unread} sent`))
    unread -= bytes
    if (!blocked || unread > WINDOW / 2) return
    blocked = false
    incoming.drain()
  }

  /** Copied: the other side may go on writing to memory that both share. */
  function onBytes({ buffer, byteOffset, byteLength }: ArrayBufferView): void {
    if (byteLength > MAX_FRAME) end(new UsmpError('TRAILING_BYTES', `a message of more than ${MAX_FRAME} bytes`))
    else incoming.push(new Uint8Array(new Uint8Array(buffer, byteOffset, byteLength)))
  }

  port.addEventListener('message', ({ data }: MessageEvent<unknown>) => {
    // Not `instanceof`: the port may be of another frame, whose Uint8Array is another one.
    if (ArrayBuffer.isView(data)) onBytes(data)
    else if (Number.isSafeInteger(data)) onRead(data as number)
    else if (data === null) end()
    else end(new UsmpError('BAD_MAGIC', 'a message that is not bytes'))
  })
  // Not every platform tells; where it does not, a side that is gone shows by the idle limit of the session.
  port.addEventListener('close', () => end())

  return {
    kind: 'message',
    address: 'message port',
    open(sink) {
      incoming.connect(sink)
      port.start()
    },
    write(frames) {
      for (const frame of frames) {
        port.postMessage(frame)
        unread += frame.length
      }
      blocked = unread > WINDOW
      return !blocked
    },
    pause: () => incoming.pause(),
    resume: () => incoming.resume(),
    async close() {
      incoming.disconnect()
      port.postMessage(null)
      await settledWithin(CLOSE_TIMEOUT, finished)
      port.close()
    },
    abort() {
      incoming.disconnect()
      port.postMessage(null)
      port.close()
    },
  }
}
