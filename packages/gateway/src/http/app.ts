import { Hono } from 'hono'
import { secureHeaders } from 'hono/secure-headers'
import { GatewayError } from '../errors.js'
import { isLoopback } from './address.js'
import type { Metrics } from './metrics.js'
import { describe } from './openapi.js'
import type { Page } from './page.js'
import type { Route } from './route.js'
import { addRoutes, credentialsOf, type Env, errorAnswer, type RouterServices } from './router.js'

export interface AppParts extends RouterServices {
  readonly routes: readonly Route[]
  readonly metrics: Metrics
  readonly page: Page
  readonly version: string
  /** Whether programs of this machine read the metrics without a token. */
  readonly openMetrics: boolean
}

/** The routes of the API, the metrics and the page, behind the headers and checks that hold for all of them. */
export function makeApp(parts: AppParts): Hono<Env> {
  const { routes, metrics, page, version, origin, onError } = parts
  const app = new Hono<Env>()
  app.onError((error) => errorAnswer(error, onError))
  app.use(secureHeaders(HEADERS))
  app.use(async (c, next) => {
    origin.checkHost(c.env.incoming.headers)
    await next()
  })
  for (const { method, path, id } of routes)
    app.on(method.toUpperCase(), path.replace(/\{(\w+)\}/g, ':$1'), async (c, next) => {
      const start = performance.now()
      await next()
      metrics.noteRequest(id, c.res.status, performance.now() - start)
    })
  addRoutes(app, routes, parts)

  const description = describe(routes, version)
  app.get('/api/openapi.json', (c) => c.json(description))
  app.all('/api/*', () => {
    throw new GatewayError('NOT_FOUND', 'The API has no such route.', { hint: 'GET /api/openapi.json lists them.' })
  })
  app.get('/metrics', async (c) => {
    await checkReader(c.env.incoming, parts)
    c.header('Content-Type', metrics.contentType)
    c.header('Cache-Control', 'no-store')
    return c.body(await metrics.render())
  })
  app.get('*', (c) => page.serve(c))
  app.all('*', () => {
    throw new GatewayError('NOT_FOUND', 'There is nothing here that takes this method.')
  })
  return app
}

/** Who reads the metrics: a program of this machine, a token, or a person who is logged in. */
async function checkReader(request: Env['Bindings']['incoming'], parts: AppParts): Promise<void> {
  parts.origin.checkSite(request.headers)
  if (parts.openMetrics && isLoopback(parts.addressOf(request))) return
  if (await parts.access.authenticate(credentialsOf(request.headers, parts.cookies))) return
  throw new GatewayError('UNAUTHENTICATED', 'The metrics need a token.', {
    hint: 'Make one of role viewer, and send it as `Authorization: Bearer TOKEN`.',
  })
}

type SecureHeadersOptions = NonNullable<Parameters<typeof secureHeaders>[0]>
/** Nothing is loaded from elsewhere, no text becomes a script, and no page can show this one in a frame. */
const HEADERS = {
  contentSecurityPolicy: {
    defaultSrc: ["'none'"],
    scriptSrc: ["'self'"],
    styleSrc: ["'self'"],
    imgSrc: ["'self'", 'data:'],
    connectSrc: ["'self'"],
    frameAncestors: ["'none'"],
    baseUri: ["'none'"],
    formAction: ["'self'"],
    requireTrustedTypesFor: ["'script'"],
    trustedTypes: ["'none'"],
  },
  // The camera reads the key of a device from its label.
  permissionsPolicy: { camera: ['self'], microphone: [], geolocation: [], payment: [], usb: [] },
  referrerPolicy: 'no-referrer',
  xFrameOptions: 'DENY',
  crossOriginOpenerPolicy: 'same-origin',
  crossOriginResourcePolicy: 'same-origin',
  // A browser that has been told so cannot get past the certificate that the gateway has signed by itself.
  strictTransportSecurity: false,
} satisfies SecureHeadersOptions
