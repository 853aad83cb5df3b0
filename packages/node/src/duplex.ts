import type { Duplex } from 'node:stream'
import type { Transport, TransportKind, TransportSink } from '@usmp/core'

/** How long a close waits for the peer to take the rest, ms. */
const CLOSE_TIMEOUT = 2_000

/** A Node stream of bytes as a transport; frames handed over together leave in one write. */
export function duplexTransport(stream: Duplex, kind: TransportKind, address: string): Transport {
  let sink: TransportSink | undefined

  function end(cause?: unknown): void {
    const target = sink
    sink = undefined
    target?.end(cause)
  }

  // From the first moment on: a stream without an error listener ends the process.
  stream.on('error', end)

  return {
    kind,
    address,
    open(target) {
      sink = target
      stream.on('data', (chunk: Uint8Array) => sink?.receive(chunk))
      stream.on('drain', () => sink?.drain())
      stream.on('end', () => end())
      stream.on('close', () => end())
      if (stream.destroyed) end(stream.errored ?? undefined)
    },
    write(frames) {
      return stream.write(frames.length === 1 ? frames[0]! : Buffer.concat(frames))
    },
    pause: () => void stream.pause(),
    resume: () => void stream.resume(),
    async close() {
      sink = undefined
      await endStream(stream)
    },
    abort() {
      sink = undefined
      stream.destroy()
    },
  }
}

/** Sends what is still buffered and ends the stream; cuts it off if that takes too long. Never rejects. */
export async function endStream(stream: Duplex): Promise<void> {
  if (stream.destroyed) return
  const timer = setTimeout(() => stream.destroy(), CLOSE_TIMEOUT)
  stream.end()
  // What still arrives has no reader any more, but the end of the stream is behind it.
  stream.resume()
  // Not `once` of node:events: that rejects for a reset, which is an end like any other here.
  await new Promise<void>((resolve) => stream.once('close', resolve))
  clearTimeout(timer)
}
