import { expect } from 'vitest'
import { done, type Run, usmp } from './usmp.js'

export const PASSWORD = 'a long password'

/** Nothing on a fixed port, so that tests can run side by side. */
export const PORTS = ['--listen', '127.0.0.1:0', '--broker-listen', '127.0.0.1:0']

export interface Started extends Run {
  readonly data: string
  /** Where its page is. */
  readonly page: string
  readonly mqtt: string
}

/** A gateway that runs, without a terminal. */
export async function gateway(data: string, ...args: string[]): Promise<Started> {
  const run = usmp('gateway', '--data', data, ...PORTS, ...args)
  const [, page] = await run.says('stderr', /page +(http:\S+)/)
  const mqtt = /devices +(mqtt:\S+),/.exec(run.stderr)?.[1] ?? ''
  return Object.assign(run, { data, page: page!, mqtt })
}

export async function stop(run: Run, signal: NodeJS.Signals = 'SIGTERM'): Promise<number | null> {
  run.child.kill(signal)
  return run.exit()
}

/** Calls the API as the page does; the cookie is kept in `jar`. */
export async function api(page: string, path: string, body?: object, jar: { cookie?: string } = {}): Promise<Response> {
  const response = await fetch(`${page}${path}`, {
    ...(body ? { method: 'POST', body: JSON.stringify(body) } : {}),
    headers: { origin: page, 'content-type': 'application/json', ...(jar.cookie ? { cookie: jar.cookie } : {}) },
  })
  const [cookie] = response.headers.getSetCookie()
  if (cookie) jar.cookie = cookie.split(';')[0]!
  return response
}

/** Makes the first user by the link that `usmp gateway setup` prints; the jar is logged in. */
export async function setUp({ data, page }: Started): Promise<{ cookie?: string }> {
  const link = (await done('gateway', 'setup', '--data', data)).stdout.trim()
  expect(link).toMatch(new RegExp(`^${page}/setup#.{20,}$`))
  const jar = {}
  const made = await api(page, '/api/setup', { token: link.split('#')[1], name: 'ada', password: PASSWORD }, jar)
  expect(made.status).toBe(200)
  return jar
}

export async function devicesOf(page: string, jar: { cookie?: string }): Promise<{ id: string; state: string }[]> {
  return ((await (await api(page, '/api/devices', undefined, jar)).json()) as { devices: never }).devices
}

export async function until<T>(what: () => Promise<T | undefined>): Promise<T> {
  for (;;) {
    const found = await what()
    if (found !== undefined) return found
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
}
