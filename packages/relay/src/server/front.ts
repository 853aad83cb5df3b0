import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { SUBPROTOCOL } from '../wire.js'

/** Where peers ask for a WebSocket. */
export const PATH = '/relay'
/** How long a connection may take until it has asked for something, ms. */
const REQUEST_TIMEOUT = 5_000
const CHECK_INTERVAL = 1_000
/** Of the head of a request, bytes. */
const MAX_HEADER = 8_192
const TEXT = 'text/plain; charset=utf-8'

/** What both kinds of servers keep to. */
export const httpOptions = {
  headersTimeout: REQUEST_TIMEOUT,
  requestTimeout: REQUEST_TIMEOUT,
  handshakeTimeout: REQUEST_TIMEOUT,
  connectionsCheckingInterval: CHECK_INTERVAL,
  maxHeaderSize: MAX_HEADER,
  keepAlive: true,
} as const

/** A page that can be read, by its path. */
export type Pages = Readonly<Record<string, Page>>

interface Page {
  readonly type: string
  /** Programs in the pages of any site may read it. */
  readonly isForPages?: boolean
  render(): string
}

export const plainText = (render: () => string): Page => ({ type: TEXT, render })

/** Answers requests that ask for no WebSocket. */
export function servePages(server: Server, pages: Pages): void {
  server.on('request', (request, response) => {
    const path = pathOf(request)
    const page = Object.hasOwn(pages, path) ? pages[path] : undefined
    if (path === PATH) answer(response, 426, TEXT, `This is a WebSocket of ${SUBPROTOCOL}.\n`, { Upgrade: 'websocket' })
    else if (!page) answer(response, 404, TEXT, 'There is nothing here.\n')
    else if (request.method !== 'GET' && request.method !== 'HEAD') {
      answer(response, 405, TEXT, 'This is to be read only.\n', { Allow: 'GET, HEAD' })
    } else {
      answer(response, 200, page.type, page.render(), page.isForPages ? { 'Access-Control-Allow-Origin': '*' } : {})
    }
  })
}

/** An HTTP server with some pages, for nothing else. */
export function createPageServer(pages: Pages): Server {
  const server = createServer(httpOptions)
  servePages(server, pages)
  return server
}

function answer(response: ServerResponse, status: number, type: string, body: string, headers: object = {}): void {
  response.writeHead(status, {
    'Content-Type': type,
    'Cache-Control': 'no-store',
    'X-Content-Type-Options': 'nosniff',
    Connection: 'close',
    ...headers,
  })
  response.end(body)
}

/** Without what follows it in the URL. */
export function pathOf({ url = '' }: IncomingMessage): string {
  return url.split('?', 1)[0]!
}

/** Whether the peer speaks our subprotocol; it may offer others too. */
export function offersSubprotocol({ headers }: IncomingMessage): boolean {
  const offered = headers['sec-websocket-protocol'] ?? ''
  return offered.split(',').some((name) => name.trim() === SUBPROTOCOL)
}

/** An address with the port that some proxies write too: with it each connection would be an address of its own. */
const WITH_PORT = /^\[(.+)\](?::\d+)?$|^([\d.]+):\d+$/

/** Where a request comes from: the other end of the socket, or what a trusted proxy says of it. */
export function addressOf({ headers, socket }: IncomingMessage, trustProxy: boolean): string {
  const own = socket.remoteAddress ?? 'unknown'
  if (!trustProxy) return own
  const forwarded = [headers['x-forwarded-for'] ?? ''].flat().join(',').split(',').at(-1)!.trim()
  const [, inBrackets, beforePort] = WITH_PORT.exec(forwarded) ?? []
  return (inBrackets ?? beforePort ?? forwarded) || own
}

/** Refuses an upgrade. */
export function refuseUpgrade(socket: Socket, status: string, text: string): void {
  const body = `${text}\n`
  const head = [
    `HTTP/1.1 ${status}`,
    'Connection: close',
    `Content-Type: ${TEXT}`,
    `Content-Length: ${Buffer.byteLength(body)}`,
  ]
  socket.on('error', () => {})
  socket.end(`${head.join('\r\n')}\r\n\r\n${body}`, () => socket.destroy())
}
