import { randomBytes } from 'node:crypto'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import type { Session } from '@usmp/core'
import { pairKeysFrom, relaySessions, type Side } from '@usmp/relay'
import { nodeDial } from '@usmp/relay/node'
import { issueToken, type Relay, type RelayOptions, startRelay } from '@usmp/relay/server'
import { buildCPeers, CPeer } from '@usmp/testing/c-programs'
import { makeCertificate } from '@usmp/testing/certificate'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'

const pairKey = new Uint8Array(randomBytes(32))
const tokenKey = new Uint8Array(randomBytes(32))
const token = issueToken(tokenKey, { expires: new Date(Date.now() + 600_000), name: 'c' })
const decoder = new TextDecoder()
let folder: string
let tls: { key: string; cert: string }
let ca: string
let tokenFile: string

beforeAll(async () => {
  buildCPeers()
  tls = await makeCertificate()
  folder = await mkdtemp(join(tmpdir(), 'usmp-c-relay-'))
  ca = join(folder, 'ca.pem')
  tokenFile = join(folder, 'token')
  await writeFile(ca, tls.cert)
  await writeFile(tokenFile, Buffer.from(token).toString('hex'), { mode: 0o600 })
}, 600_000)
afterAll(() => rm(folder, { recursive: true, force: true }))

const running: (() => Promise<unknown>)[] = []
afterEach(async () => {
  for (const stop of running.splice(0).reverse()) await stop()
})

async function start(options: RelayOptions = {}): Promise<Relay> {
  const relay = await startRelay({ port: 0, tls, tokenKey, ...options })
  running.push(() => relay.close())
  return relay
}

/** Side 1 is the client of the session, side 0 its server. */
function startC(relay: Relay, side: Side, { key = pairKey, args = [] as string[], withToken = true } = {}): CPeer {
  const place = [side === 1 ? '--connect' : '--listen', `relay+${new URL(relay.url).origin}`]
  const peer = new CPeer('psa', key, [...place, '--ca', ca, ...(withToken ? ['--token-file', tokenFile] : []), ...args])
  running.push(() => peer.stop())
  return peer
}

/** Our sessions on the other side, each as it comes. */
function ours(relay: Relay, side: Side): AsyncGenerator<Session> {
  const abort = new AbortController()
  const dial = nodeDial({ ca: tls.cert })
  const keys = pairKeysFrom(pairKey, side)
  const sessions = relaySessions({ relay: new URL(relay.url), dial, keys, token, signal: abort.signal })
  running.push(async () => abort.abort())
  return sessions
}

async function next(sessions: AsyncGenerator<Session>): Promise<Session> {
  const { value } = await sessions.next()
  if (!value) throw new Error('there are no more sessions')
  return value
}

/** A line each way. */
async function talk(session: Session, peer: CPeer, text: string): Promise<void> {
  peer.write(text)
  expect(decoder.decode(await session.receive())).toBe(text)
  await session.send(`${text} to you`)
  expect(await peer.says('message')).toBe(`${text} to you`)
}

describe('a C peer with a pair key, through the relay', () => {
  test('as the client: messages of all sizes, rekeys, a PING, BYE', async () => {
    const relay = await start()
    const options = ['--sizes', '0,1,451,452,453,904,1356,1808', '--exchange', '24', '--rekey-every', '7', '--ping']
    const peer = startC(relay, 1, { args: options })
    const session = await next(ours(relay, 0))
    for await (const message of session) await session.send(message)
    expect(await peer.says('exchanged')).toBe('24')
    expect(await peer.exitCode()).toBe(0)
    expect((await session.closed).code).toBe('CLOSED')
  })

  test('as the server: one session after the other', async () => {
    const relay = await start()
    const peer = startC(relay, 0)
    const sessions = ours(relay, 1)
    for (const round of ['first', 'second']) {
      const session = await next(sessions)
      await talk(session, peer, round)
      await session.close()
      expect(await peer.says('closed')).toBe('CLOSED')
    }
  })

  test('both in C', async () => {
    const relay = await start()
    const server = startC(relay, 0, { args: ['--echo', '--once'] })
    const client = startC(relay, 1, { args: ['--exchange', '50', '--sizes', '1808,0,452'] })
    expect(await client.says('exchanged')).toBe('50')
    expect(await client.exitCode()).toBe(0)
    expect(await server.exitCode()).toBe(0)
  })

  test('a relay that goes and comes back: the session ends, the peers meet again', async () => {
    const relay = await start()
    const port = Number(new URL(relay.url).port)
    const peer = startC(relay, 0)
    const sessions = ours(relay, 1)
    await talk(await next(sessions), peer, 'before')
    await relay.close()
    expect(await peer.says('closed')).toBe('TRUNCATED')
    expect(await peer.says('failed')).toBe('UNREACHABLE')
    await start({ port })
    await talk(await next(sessions), peer, 'after')
  })

  // Near midnight (UTC) the two look for each other on two days, which takes longer.
  test('strangers on the route get no session, and never keep the pair apart', { timeout: 400_000 }, async () => {
    const relay = await start()
    const peer = startC(relay, 0)
    // More than a lockout would bear.
    for (let attempt = 0; attempt < 7; attempt++) {
      expect(await stranger(relay)).toBe('HANDSHAKE_REFUSED')
      expect(await peer.says('failed')).toBe('AUTH_FAILED')
    }
    await talk(await next(ours(relay, 1)), peer, 'the right one')
  })

  test('a relay that refuses says why', async () => {
    const relay = await start()
    const peer = startC(relay, 1, { withToken: false })
    expect(await peer.says('failed')).toBe('UNREACHABLE')
    expect(await peer.says('failed')).toBe('UNREACHABLE')
    expect(peer.log).toMatch(/at the relay: the server closed with 4003: \w+/)
  })

  test('a newer socket of the same side takes the place', async () => {
    const relay = await start()
    const older = startC(relay, 0)
    const waiting = /relay_waiting (\d+)/
    while (!(Number(waiting.exec(relay.metrics())?.[1]) > 0)) await setTimeout(10)
    // The relay lets a socket be replaced once a second.
    await setTimeout(1_100)
    startC(relay, 0)
    expect(await older.says('failed')).toBe('UNREACHABLE')
    expect(older.log).toMatch(/closed with 4001/)
  })
})

/** Somebody who has learnt the route, and not the key: how it ends. */
async function stranger(relay: Relay): Promise<string> {
  const keys = pairKeysFrom(pairKey, 1)
  const route = keys.route.bind(keys)
  const deviceId = keys.deviceId.bind(keys)
  const wrong = { side: keys.side, route, deviceId, wipe() {}, psk: new Uint8Array(randomBytes(32)) }
  const abort = new AbortController()
  const ended = new Promise<string>((resolve) => {
    const sessions = relaySessions({
      relay: new URL(relay.url),
      dial: nodeDial({ ca: tls.cert }),
      keys: wrong,
      token,
      signal: abort.signal,
      onState: ({ error }) => error && resolve(error.code),
    })
    sessions.next().catch(() => {})
  })
  const code = await ended
  abort.abort()
  return code
}
