import type { ServerResponse } from 'node:http'

/** Readers of `GET /events` at once. */
const MAX_STREAMS = 8
/** A reader that is so far behind is cut off, bytes; it comes back and asks for what it has missed. */
const MAX_BEHIND = 256 * 1024
/** ms; proxies and operating systems forget connections on which nothing happens. */
const HEARTBEAT = 25_000

/** The open streams of server-sent events. */
export class EventStreams {
  readonly #open = new Set<ServerResponse>()
  readonly #heartbeat = setInterval(() => this.#writeAll(': still here\n\n'), HEARTBEAT).unref()

  get isFull(): boolean {
    return this.#open.size >= MAX_STREAMS
  }

  open(response: ServerResponse): void {
    response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-store' })
    response.flushHeaders()
    this.#open.add(response)
    response.on('close', () => this.#open.delete(response))
  }

  publish(event: string, id: number | undefined, data: unknown): void {
    this.#writeAll(eventText(event, id, data))
  }

  close(): void {
    clearInterval(this.#heartbeat)
    for (const response of this.#open) response.end()
  }

  #writeAll(text: string): void {
    for (const response of this.#open) {
      if (response.writableLength > MAX_BEHIND) response.destroy()
      else response.write(text)
    }
  }
}

/** JSON has no line ends in it, so an event is one line of data. */
export function eventText(event: string, id: number | undefined, data: unknown): string {
  return `event: ${event}\n${id === undefined ? '' : `id: ${id}\n`}data: ${JSON.stringify(data)}\n\n`
}
