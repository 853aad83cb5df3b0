import { createServer, type IncomingMessage, type Server } from 'node:http'
import { createServer as createHttpsServer } from 'node:https'
import { type AddressInfo, isIP } from 'node:net'
import type { Duplex } from 'node:stream'
import { getRequestListener } from '@hono/node-server'
import { type Clock, systemClock } from '@usmp/core'
import { Access } from '../access/access.js'
import type { Operations } from '../operations.js'
import type { Store } from '../store/store.js'
import { clientAddress, inUrl, isLoopback, reachableHost } from './address.js'
import { limitByAddress } from './address-limit.js'
import { makeApp } from './app.js'
import { Cookies } from './cookies.js'
import { LiveSockets } from './live-sockets.js'
import { Metrics } from './metrics.js'
import { OriginCheck } from './origin.js'
import { Page } from './page.js'
import { credentialsOf, errorAnswer, type RouterServices } from './router.js'
import { accessRoutes } from './routes/access.js'
import { deviceRoutes } from './routes/devices.js'
import { rolloutRoutes } from './routes/rollouts.js'
import { systemRoutes } from './routes/system.js'
import { type Certificate, certificateFingerprint, selfSignedCertificate } from './tls.js'

/** Most connections at once from one address, unless a proxy has one address for all. A page takes 7 at most. */
const MAX_PER_ADDRESS = 64
/** How long a TLS handshake may take, ms. */
const HANDSHAKE_TIMEOUT = 10_000
/** Most connections at once, and how long the head of a request, and all of one with an image, may take to arrive, ms. */
const MAX_CONNECTIONS = 512
const HEAD_TIMEOUT = 30_000
const REQUEST_TIMEOUT = 120_000

export interface HttpOptions {
  readonly operations: Operations
  readonly store: Store
  /** Where the certificate is kept that the gateway signs by itself. */
  readonly folder: string
  /** Left out: 127.0.0.1, which only programs of this machine can reach. */
  readonly host?: string
  /** 0: any that is free. */
  readonly port: number
  /** Left out: on loopback plain http, elsewhere a certificate that the gateway signs by itself. */
  readonly tls?: Certificate
  /**
   * The https address under which a proxy offers this server, as `https://gateway.example.org`. The proxy does TLS then, and
   * appends the address of the client to `X-Forwarded-For`.
   */
  readonly behindProxy?: string
  /** Host names besides localhost under which the page is opened on loopback. */
  readonly names?: readonly string[]
  /** Timers, and the time of pauses. */
  readonly clock?: Clock
  /** ms since 1970, for what is stored. */
  readonly now?: () => number
  /** The built page; left out: where the build of the gateway puts it. */
  readonly pageFolder?: string
  /** Cost of scrypt as binary logarithm; tests take a small one. */
  readonly passwordCost?: number
  /** Told of what is a fault of the gateway itself. Left out: the standard error output. */
  readonly onError?: (error: unknown) => void
}

/** A server that runs. */
export interface HttpServer {
  /** Where the page is, without a slash at the end. */
  readonly url: string
  /** Where it listens; behind a proxy another one than in `url`. */
  readonly port: number
  /** The link that makes the first user, valid for 15 minutes and once; null if there is a user. A secret: print it, never log it. */
  readonly setupUrl: string | null
  /** For the person who opens the page: what the browser will show, and what to compare. Null if nothing is unusual. */
  readonly notice: string | null
  /** For commands of this machine. `token` is a secret, and lets in as an admin. */
  readonly local: { readonly url: string; readonly token: string; readonly certificate: string | null }
  /** A new setup link, in place of the old one; null if there is a user. */
  renewSetupUrl(): Promise<string | null>
  close(): Promise<void>
}

/**
 * Starts the HTTP API, the live socket, the metrics and the page.
 * @throws TypeError for options that do not fit together; what `listen` of Node throws, as EADDRINUSE
 */
export async function startHttp(options: HttpOptions): Promise<HttpServer> {
  const { operations, store, host = '127.0.0.1', behindProxy, clock = systemClock, now = Date.now } = options
  const publicUrl = behindProxy === undefined ? null : checkPublicUrl(behindProxy)
  const certificate = await chooseCertificate(options, host, now())
  const https = certificate !== null || publicUrl !== null
  const onError = options.onError ?? ((error) => console.error('gateway, http:', error))

  const access = new Access({
    store,
    now,
    monotonic: () => clock.now(),
    ...(options.passwordCost !== undefined && { passwordCost: options.passwordCost }),
  })
  const services: RouterServices = {
    access,
    origin: new OriginCheck({ https, hosts: allowedHosts(host, options), origin: publicUrl }),
    cookies: new Cookies(https),
    addressOf: (request) => clientAddress(request, publicUrl !== null),
    now,
    onError,
  }
  const sockets = new LiveSockets({ operations, access, clock, now, onError })
  const app = makeApp({
    ...services,
    routes: [
      ...accessRoutes(access, operations),
      ...deviceRoutes(operations),
      ...rolloutRoutes(operations),
      ...systemRoutes(operations, store.audit),
    ],
    metrics: new Metrics(operations, () => sockets.size),
    page: await Page.read(options.pageFolder),
    version: operations.system().version,
    openMetrics: isLoopback(host) && publicUrl === null,
  })

  const server = makeServer(certificate)
  if (publicUrl === null) limitByAddress(server, MAX_PER_ADDRESS)
  server.on(
    'request',
    getRequestListener((request, env) => app.fetch(request, env as never), { overrideGlobalObjects: false }),
  )
  server.on('upgrade', (request, stream, head) => void upgrade(request, stream, head, sockets, services))
  await listen(server, options.port, host)

  const { port } = server.address() as AddressInfo
  const url = publicUrl ?? `${certificate ? 'https' : 'http'}://${inUrl(reachableHost(host))}:${port}`
  const renewSetupUrl = async () => ((await access.users.isEmpty()) ? `${url}/setup#${access.setupLink.renew()}` : null)
  return {
    url,
    port,
    setupUrl: await renewSetupUrl(),
    notice: certificate && !options.tls ? noticeOf(certificate) : null,
    local: {
      url: `${certificate ? 'https' : 'http'}://${inUrl(localHost(host))}:${port}`,
      token: access.localToken,
      certificate: certificate?.cert ?? null,
    },
    renewSetupUrl,
    close: async () => {
      sockets.close()
      const closed = new Promise<void>((resolve) => server.close(() => resolve()))
      server.closeIdleConnections()
      const cut = clock.setTimer(() => server.closeAllConnections(), 2_000)
      await closed
      clock.clearTimer(cut)
    },
  }
}

/** @returns null for plain http */
async function chooseCertificate(
  { tls, behindProxy, folder }: HttpOptions,
  host: string,
  now: number,
): Promise<Certificate | null> {
  if (tls) return tls
  return behindProxy !== undefined || isLoopback(host) ? null : selfSignedCertificate(folder, reachableHost(host), now)
}

function checkPublicUrl(url: string): string {
  if (!URL.canParse(url) || new URL(url).protocol !== 'https:' || new URL(url).pathname !== '/')
    throw new TypeError(`behindProxy must be the https address of the proxy without a path, not "${url}".`)
  return new URL(url).origin
}

/** On loopback another name can only be a trick; elsewhere TLS, or the proxy, holds the name. */
function allowedHosts(host: string, { behindProxy, names = [] }: HttpOptions): string[] | null {
  if (behindProxy !== undefined || !isLoopback(host)) return null
  const own = isIP(host) ? [inUrl(host)] : []
  return [...new Set(['localhost', '127.0.0.1', '[::1]', ...own, ...names.map((name) => name.toLowerCase())])]
}

/** Where programs of this machine reach a server that listens at `host`. */
function localHost(host: string): string {
  return host === '0.0.0.0' ? '127.0.0.1' : host === '::' ? '::1' : host
}

function noticeOf({ cert }: Certificate): string {
  return (
    'The gateway has signed its certificate by itself, so the browser will warn. ' +
    `Compare the SHA-256 fingerprint that it shows before you go on: ${certificateFingerprint(cert)}`
  )
}

function makeServer(certificate: Certificate | null): Server {
  const limits = { requestTimeout: REQUEST_TIMEOUT, headersTimeout: HEAD_TIMEOUT, maxHeaderSize: 16 * 1024 }
  const server = certificate
    ? createHttpsServer({ ...limits, ...certificate, minVersion: 'TLSv1.2', handshakeTimeout: HANDSHAKE_TIMEOUT })
    : createServer(limits)
  server.maxConnections = MAX_CONNECTIONS
  return server
}

function listen(server: Server, port: number, host: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen(port, host, () => {
      server.off('error', reject)
      resolve()
    })
  })
}

/** The only socket is the live one. A refusal is told as plain HTTP, before the upgrade. */
async function upgrade(
  request: IncomingMessage,
  stream: Duplex,
  head: Buffer,
  sockets: LiveSockets,
  { origin, cookies, onError }: RouterServices,
): Promise<void> {
  stream.on('error', () => stream.destroy())
  try {
    const { headers, url = '' } = request
    const credentials = credentialsOf(headers, cookies)
    origin.checkHost(headers)
    origin.checkOrigin(headers, { required: credentials.token === undefined })
    if (url.split('?', 1)[0] !== '/api/live') return refuse(stream, new Response(null, { status: 404 }))
    await sockets.accept(request, stream, head, credentials)
  } catch (error) {
    await refuse(stream, errorAnswer(error, onError))
  }
}

async function refuse(stream: Duplex, response: Response): Promise<void> {
  const body = await response.text()
  const head = [`HTTP/1.1 ${response.status} Refused`, 'Connection: close', 'Content-Type: application/json']
  // Node no longer watches this connection: one that is only half closed would hold its place for ever.
  stream.once('finish', () => stream.destroy())
  stream.end(`${[...head, `Content-Length: ${Buffer.byteLength(body)}`].join('\r\n')}\r\n\r\n${body}`)
}
