import { Readable } from 'node:stream'
import {
  type Actor,
  apiError,
  Cookies,
  type DeviceServices,
  deviceRoutes,
  GatewayError,
  makeApp,
  type Operations,
  OriginCheck,
  Registration,
  rolloutRoutes,
  systemRoutes,
} from '@usmp/gateway/internal'
import * as v from 'valibot'
import { Choices, must, type Target } from '../target.js'

const ADMIN: Actor = { name: 'admin', role: 'admin' }
const METHODS = ['GET', 'POST', 'PATCH', 'PUT', 'DELETE', 'HEAD', 'OPTIONS']
const LATIN = 'latin1'

/** Imports as the gateway does, into nothing. */
const registration = new Registration({
  time: { now: () => 1 },
  commands: { change: (_actor: Actor, _what: unknown, work: (event: object) => unknown) => work({}) },
  directory: { find: () => undefined, createAll: async () => {} },
  waiting: { remove: () => {} },
  keys: { store: () => ({ sealedKey: 'sealed', keySource: 'registered', fingerprint: 'XXXX-XXXX' }) },
  hint: () => {},
} as unknown as DeviceServices)

/** A gateway without devices; what is wrong before it is asked shows by another code. */
const operations = new Proxy({} as Operations, {
  get(_, name) {
    if (name === 'importDevices') return registration.importDevices.bind(registration)
    if (name === 'system') return () => ({ version: '0', site: 'home' })
    return () => {
      throw new GatewayError('NOT_FOUND', 'There is no such device.')
    }
  },
})

/** Everybody is let in: the way to what a person may send is what is tested. */
const access = { authenticate: async () => ({ actor: ADMIN, login: null }) }
const metrics = { noteRequest: () => {}, contentType: 'text/plain', render: async () => '' }
const audit = { page: async () => [], verify: async () => ({ intact: true, entries: 0, brokenAt: null }) }

let app: ReturnType<typeof makeApp> | undefined
let faults: unknown[] = []

function makeOnce(): ReturnType<typeof makeApp> {
  return makeApp({
    access: access as never,
    origin: new OriginCheck({ https: false, hosts: null, origin: null }),
    cookies: new Cookies(false),
    addressOf: () => '127.0.0.1',
    now: () => 1,
    onError: (error) => faults.push(error),
    routes: [...deviceRoutes(operations), ...rolloutRoutes(operations), ...systemRoutes(operations, audit as never)],
    metrics: metrics as never,
    page: { serve: () => new Response('the page') } as never,
    version: '0',
    openMetrics: true,
  })
}

/** An input is a method, a target as it stands in the first line of a request, and the body. */
function requestOf(input: Choices): { method: string; target: string; body: Uint8Array } {
  const method = METHODS[input.byte() % METHODS.length]!
  const target = Buffer.from(input.bytes(input.byte())).toString(LATIN)
  return { method, target, body: input.bytes(4096) }
}

export const gatewayHttp: Target = {
  seeds: () => [
    seed(0, '/api/devices', ''),
    seed(0, '/api/devices/aa:bb:cc:dd:ee:ff/series?reading=t&resolution=fine&from=1', ''),
    seed(0, '/api/audit?limit=5&before=9', ''),
    seed(
      1,
      '/api/devices/import',
      JSON.stringify({ csv: `id,psk,name\naa:bb:cc:dd:ee:01,${'4f3a'.repeat(16)},Kitchen\n"x` }),
    ),
    seed(1, '/api/devices/import', JSON.stringify({ csv: 'id,psk,group\n1,2,3\n\n"a""b",,\n' })),
    seed(1, '/api/devices', JSON.stringify({ id: 'aa:bb:cc:dd:ee:01', psk: '4f3a'.repeat(16), name: 'K' })),
    seed(1, '/api/devices/aa:bb:cc:dd:ee:ff/approve', JSON.stringify({ proofId: 'x' })),
    seed(2, '/api/devices/aa:bb:cc:dd:ee:ff', '{"rev":1,"alarmRules":[{"kind":"above","reading":"t","limit":1}]}'),
    seed(1, '/api/devices/aa:bb:cc:dd:ee:ff/requests', '{"method":"ping","params":{"a":[[[1]]]},"timeout":100}'),
    seed(1, '/api/images', 'UOTA'),
    seed(1, '/api/rollouts', JSON.stringify({ image: '1a'.repeat(32), target: { kind: 'group', group: 'g' } })),
    seed(1, '/api/rollouts/r1/retry', '{"rev":1,"ids":["aa:bb:cc:dd:ee:ff"]}'),
    seed(1, '/api/join', '{"minutes":5,"count":3,"suffix":"ff"}'),
  ],
  async run(bytes) {
    app ??= makeOnce()
    faults = []
    const { method, target, body } = requestOf(new Choices(bytes))
    const url = `http://127.0.0.1${target.startsWith('/') ? '' : '/'}${target}`
    if (!URL.canParse(url)) return
    const type = target.startsWith('/api/images') ? 'application/octet-stream' : 'application/json'
    const headers = { host: '127.0.0.1', authorization: 'Bearer x', 'content-type': type }
    const incoming = { headers, iterator: () => Readable.from([Buffer.from(body)]).iterator() }
    const init = method === 'GET' || method === 'HEAD' ? { method } : { method, body: Buffer.from(body) }
    const response = await app.fetch(new Request(url, { ...init, headers }), { incoming } as never)
    must(faults.length === 0, `a fault of the gateway: ${faults[0] instanceof Error ? faults[0].stack : faults[0]}`)
    must(response.status < 500, `${method} ${url} is answered by ${response.status}`)
    if (response.status < 400 || method === 'HEAD') return
    must(v.safeParse(apiError, await response.json()).success, `${response.status} is no error of the API`)
  },
}

function seed(method: number, target: string, body: string): Uint8Array {
  return new Uint8Array([method, target.length, ...Buffer.from(target, LATIN), ...Buffer.from(body)])
}
