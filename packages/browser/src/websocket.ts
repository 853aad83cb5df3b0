import { abortError, type Transport, throwIfAborted, UsmpError } from '@usmp/core'
import { PausableBuffer } from './pausable-buffer.js'
import { settledWithin } from './timeout.js'

/** How long a close waits for the peer's answer, ms. */
const CLOSE_TIMEOUT = 2_000
/** Sending waits when the browser holds this many bytes, and goes on when half of them have left. */
const HIGH_WATER = 256 * 1024
/** The platform does not say when there is room again: looked at this often, ms. */
const DRAIN_INTERVAL = 10
/** A browser's WebSocket cannot be told to wait: this much is kept for a page that does not read, bytes. */
const MAX_BUFFERED = 1024 * 1024

/**
 * An open WebSocket as a transport.
 * @param closeCause the cause with which the transport ends for a code and the untrusted words of the other side; default: no code is a fault
 */
export function webSocketTransport(
  socket: WebSocket,
  closeCause?: (code: number, reason: string) => unknown,
): Transport {
  const incoming = new PausableBuffer(MAX_BUFFERED)
  let watch: ReturnType<typeof setInterval> | undefined

  socket.binaryType = 'arraybuffer'
  socket.addEventListener('message', ({ data }: MessageEvent<string | ArrayBuffer>) => {
    if (typeof data !== 'string') incoming.push(new Uint8Array(data))
    else incoming.end(new UsmpError('BAD_MAGIC', 'a text message'))
  })
  const closed = new Promise<void>((resolve) => {
    socket.addEventListener('close', ({ code, reason }) => {
      stopWatching()
      incoming.end(closeCause?.(code, reason))
      resolve()
    })
  })

  function watchForRoom(): void {
    watch ??= setInterval(() => {
      if (socket.bufferedAmount > HIGH_WATER / 2) return
      stopWatching()
      incoming.drain()
    }, DRAIN_INTERVAL)
  }

  function stopWatching(): void {
    clearInterval(watch)
    watch = undefined
  }

  function leave(status?: number): void {
    stopWatching()
    incoming.disconnect()
    socket.close(status)
  }

  return {
    kind: 'message',
    address: socket.url,
    open: (sink) => incoming.connect(sink),
    write(frames) {
      for (const frame of frames) socket.send(frame as Uint8Array<ArrayBuffer>)
      if (socket.bufferedAmount <= HIGH_WATER) return true
      watchForRoom()
      return false
    },
    pause: () => incoming.pause(),
    resume: () => incoming.resume(),
    async close() {
      leave(1000)
      await settledWithin(CLOSE_TIMEOUT, closed)
    },
    // Pages may not send the status for an error (1002), so none is sent.
    abort: () => leave(),
  }
}

/**
 * Opens a WebSocket.
 * @param timeout ms
 * @param protocol the subprotocol that the server has to speak
 * @param closeCause as for {@link webSocketTransport}
 * @throws UsmpError INVALID_ARGUMENT, UNREACHABLE, ABORTED
 */
export async function openWebSocket(
  url: string | URL,
  timeout: number,
  signal: AbortSignal | undefined,
  protocol?: string,
  closeCause?: Parameters<typeof webSocketTransport>[1],
): Promise<Transport> {
  throwIfAborted(signal)
  const socket = construct(url, protocol)
  const listening = new AbortController()
  try {
    return await new Promise<Transport>((resolve, reject) => {
      const fail = (detail: string) =>
        reject(
          new UsmpError('UNREACHABLE', `${url}: ${detail}`, {
            hint:
              'Is the server running, and does it allow the origin of this page? ' +
              'The console of the browser and the events of the server say more.',
          }),
        )
      const { signal: until } = listening
      socket.addEventListener('open', () => resolve(webSocketTransport(socket, closeCause)), { signal: until })
      socket.addEventListener('close', ({ code }) => fail(`the connection failed (${code})`), { signal: until })
      const timer = timeout > 0 ? setTimeout(() => fail(`no answer within ${timeout} ms`), timeout) : undefined
      until.addEventListener('abort', () => clearTimeout(timer))
      signal?.addEventListener('abort', () => reject(abortError(signal)), { signal: until })
    })
  } catch (error) {
    socket.close()
    throw error
  } finally {
    listening.abort()
  }
}

function construct(url: string | URL, protocol: string | undefined): WebSocket {
  try {
    return new WebSocket(url, protocol)
  } catch (cause) {
    // Not an address, or ws: from a page of https:.
    throw new UsmpError('INVALID_ARGUMENT', `${url}: ${(cause as Error).message}`, { cause })
  }
}
