import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { type AddressInfo, isIPv6 } from 'node:net'
import { UsmpError } from '@usmp/core'
import type { Address } from '../../options.js'
import { textOf } from '../../printable.js'
import { EventStreams, eventText } from './event-streams.js'
import { ApiFault, answer, isToken, readJson } from './http.js'
import { type LoggedMessage, MessageLog } from './message-log.js'

const MAX_CONNECTIONS = 64
const MAX_HEADERS = 8192
/** A request has to be here within, ms. */
const REQUEST_TIMEOUT = 10_000
/** Its head, of a program on this machine: who only connects takes a place from those who have the token, ms. */
const HEADERS_TIMEOUT = 2_000
const CHECK_INTERVAL = 500
/** Messages in one answer. */
const PAGE = 100
/** Base64 makes four characters of three bytes; JSON may escape each character of a text in six. */
const MAX_BODY_FACTOR = 6
const BODY_FRAME = 256
/** An hour, the longest lifetime of a message, ms. */
const MAX_TTL = 3_600_000

/** What the API needs of the peer that it stands for. */
export interface ApiPeer {
  /** Bytes. */
  readonly maxMessage: number
  /** Puts a message into the queue; false if the queue is full. */
  trySend(message: Uint8Array, options: { readonly ttl?: number }): boolean
  /** As `GET /state` tells it. */
  state(): Readonly<Record<string, unknown>>
}

export interface PeerApiOptions {
  readonly listen: Address
  /** Who has it may use the API. */
  readonly token: string
  readonly peer: ApiPeer
  /** ms since 1970 */
  readonly now?: () => number
}

/**
 * The API of a peer for programs on this machine: JSON over HTTP with a bearer token. Pages of a browser are kept out: the `Host` must be
 * this machine, an `Origin` is refused, and no answer allows another origin to read it.
 */
export class PeerApi {
  readonly url: string
  readonly #peer: ApiPeer
  readonly #token: string
  readonly #now: () => number
  readonly #log: MessageLog
  readonly #streams = new EventStreams()
  readonly #server: ReturnType<typeof createServer>
  readonly #hosts: ReadonlySet<string>

  private constructor(server: ReturnType<typeof createServer>, { peer, token, now = Date.now }: PeerApiOptions) {
    const { address, port } = server.address() as AddressInfo
    this.#server = server
    this.#peer = peer
    this.#token = token
    this.#now = now
    this.#log = new MessageLog(now())
    this.url = `http://${hostPort(address, port)}`
    this.#hosts = new Set([hostPort(address, port), `127.0.0.1:${port}`, `localhost:${port}`, `[::1]:${port}`])
    server.on('request', (request, response) => void this.#handle(request, response))
  }

  /** @throws UsmpError INVALID_ARGUMENT if it would listen elsewhere than on this machine, or cannot listen there */
  static async start(options: PeerApiOptions): Promise<PeerApi> {
    const { host, port } = options.listen
    if (!isLoopback(host)) {
      throw new UsmpError('INVALID_ARGUMENT', `--api must be on this machine, not on ${host}`, {
        hint: 'For example --api 127.0.0.1:8741. It has no TLS: for other machines, put a proxy with TLS in front.',
      })
    }
    const server = createServer({
      maxHeaderSize: MAX_HEADERS,
      headersTimeout: HEADERS_TIMEOUT,
      requestTimeout: REQUEST_TIMEOUT,
      connectionsCheckingInterval: CHECK_INTERVAL,
    })
    server.maxConnections = MAX_CONNECTIONS
    server.listen(port, host)
    try {
      await once(server, 'listening')
    } catch (cause) {
      throw new UsmpError('INVALID_ARGUMENT', `--api cannot listen on ${host}:${port}: ${(cause as Error).message}`, {
        cause,
        hint: 'Does another program listen there? Choose another port, or 0 for a free one.',
      })
    }
    return new PeerApi(server, options)
  }

  /** A message came from the other end. */
  received(data: Uint8Array): void {
    const message = this.#log.append(data, this.#now())
    this.#streams.publish('message', message.id, described(message))
  }

  stateChanged(): void {
    this.#streams.publish('state', undefined, this.#peer.state())
  }

  async close(): Promise<void> {
    this.#streams.close()
    const closed = once(this.#server, 'close')
    this.#server.close()
    this.#server.closeAllConnections()
    await closed
  }

  async #handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    try {
      this.#admit(request)
      await this.#route(request, response)
    } catch (error) {
      if (response.destroyed) return
      const fault = error instanceof ApiFault ? error : new ApiFault(500, 'INTERNAL', 'the request failed')
      if (fault.status === 401) response.setHeader('www-authenticate', 'Bearer')
      answer(response, fault.status, { error: { code: fault.code, message: fault.message } })
    }
  }

  /** @throws ApiFault for whoever may not use the API */
  #admit({ headers }: IncomingMessage): void {
    // A page elsewhere whose name leads to this machine (DNS rebinding) has its own name here.
    if (!this.#hosts.has(headers.host?.toLowerCase() ?? '')) {
      throw new ApiFault(421, 'WRONG_HOST', `this is not ${this.url}`)
    }
    if (headers.origin !== undefined) throw new ApiFault(403, 'ORIGIN_REFUSED', 'web pages may not use this')
    const [, token] = /^Bearer +([\x21-\x7e]+)$/i.exec(headers.authorization ?? '') ?? []
    if (!isToken(token, this.#token)) throw new ApiFault(401, 'UNAUTHORIZED', 'the bearer token is missing or wrong')
  }

  #route(request: IncomingMessage, response: ServerResponse): void | Promise<void> {
    const target = request.url ?? ''
    if (!URL.canParse(target, this.url)) throw new ApiFault(400, 'BAD_REQUEST', 'the target of the request is no path')
    const { pathname, searchParams } = new URL(target, this.url)
    switch (`${request.method} ${pathname}`) {
      case 'POST /messages':
        return this.#send(request, response)
      case 'GET /messages':
        return answer(response, 200, this.#page(idOf(searchParams.get('after'))))
      case 'GET /state':
        return answer(response, 200, this.#peer.state())
      case 'GET /events':
        // A reader that comes back asks for the same URL, and its header says what it has got meanwhile.
        return this.#stream(response, request.headers['last-event-id']?.toString() || searchParams.get('after'))
      default:
        throw new ApiFault(404, 'NOT_FOUND', 'there are POST /messages and GET /messages, /state and /events')
    }
  }

  async #send(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { maxMessage } = this.#peer
    const body = await readJson(request, maxMessage * MAX_BODY_FACTOR + BODY_FRAME)
    const message = messageOf(body)
    const ttl = ttlOf(body.ttl_ms)
    if (message.length > maxMessage) {
      throw new ApiFault(413, 'TOO_LARGE', `the message has ${message.length} bytes, and ${maxMessage} are possible`)
    }
    if (!this.#peer.trySend(message, ttl === undefined ? {} : { ttl })) {
      response.setHeader('retry-after', '1')
      throw new ApiFault(503, 'QUEUE_FULL', 'too many messages wait already; try again when the peer is online')
    }
    answer(response, 202, { queued: true })
  }

  #page(after: number): object {
    const { messages, next, missed } = this.#log.after(after, PAGE)
    return { messages: messages.map(described), next, missed }
  }

  #stream(response: ServerResponse, after: string | null): void {
    if (this.#streams.isFull) throw new ApiFault(503, 'TOO_MANY_STREAMS', 'too many readers of /events')
    const start = after === null ? this.#log.last : idOf(after)
    this.#streams.open(response)
    response.write(eventText('state', undefined, this.#peer.state()))
    const { messages, missed } = this.#log.after(start, Number.POSITIVE_INFINITY)
    if (missed) response.write(eventText('missed', undefined, {}))
    for (const message of messages) response.write(eventText('message', message.id, described(message)))
  }
}

function described({ id, at, data }: LoggedMessage): object {
  const text = textOf(data)
  return {
    id,
    at: new Date(at).toISOString(),
    ...(text === undefined ? { base64: Buffer.from(data).toString('base64') } : { text }),
  }
}

/** @throws ApiFault */
function messageOf({ text, base64 }: Record<string, unknown>): Uint8Array {
  if (typeof text === 'string' && base64 === undefined) return Buffer.from(text, 'utf8')
  if (typeof base64 === 'string' && text === undefined && /^[A-Za-z0-9+/]*={0,2}$/.test(base64)) {
    return Buffer.from(base64, 'base64')
  }
  throw new ApiFault(400, 'BAD_REQUEST', 'the body has either "text" or "base64"')
}

/** @throws ApiFault */
function ttlOf(value: unknown): number | undefined {
  if (value === undefined) return undefined
  if (typeof value === 'number' && Number.isInteger(value) && value > 0 && value <= MAX_TTL) return value
  throw new ApiFault(400, 'BAD_REQUEST', `"ttl_ms" is a whole number from 1 to ${MAX_TTL}`)
}

/** @throws ApiFault */
function idOf(text: string | null): number {
  if (text === null) return 0
  const id = /^\d{1,16}$/.test(text) ? Number(text) : Number.NaN
  if (Number.isSafeInteger(id)) return id
  throw new ApiFault(400, 'BAD_REQUEST', '"after" is the id of a message')
}

function hostPort(host: string, port: number): string {
  return `${isIPv6(host) ? `[${host}]` : host}:${port}`
}

function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || /^127(\.\d{1,3}){3}$/.test(host)
}
