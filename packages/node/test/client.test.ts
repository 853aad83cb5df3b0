import { lookup } from 'node:dns/promises'
import { Worker } from 'node:worker_threads'
import { PacketType, type Session, type UsmpError } from '@usmp/core'
import { codeOf, collect, DEVICE_ID, failureOf, isSettled, OTHER_PSK, PSK, pattern, textOf, until } from '@usmp/testing'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { connect, sessions } from '../src/connect.ts'
import { connectTcp } from '../src/tcp.ts'
import { closedPort, LOOPBACK, rawServer, startServer } from './network.ts'

const device = { deviceId: DEVICE_ID, psk: PSK }

/** A port whose queue of connections is full and never emptied: connecting to it hangs. */
async function hangingPort(): Promise<number> {
  const script = `
    const { parentPort } = require('node:worker_threads')
    const server = require('node:net').createServer()
    server.listen({ host: '${LOOPBACK}', port: 0, backlog: 1 }, () => {
      parentPort.postMessage(server.address().port)
      parentPort.once('message', () => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0))
    })`
  const worker = new Worker(script, { eval: true })
  onTestFinished(() => void worker.terminate())
  const port = await new Promise<number>((resolve) => worker.once('message', resolve))
  worker.postMessage('sleep')
  // Its thread sleeps, but the system completes connections until the queue is full.
  for (;;) {
    const filling = await connectTcp(LOOPBACK, port, { timeout: 150 }).catch(() => undefined)
    if (!filling) return port
    onTestFinished(() => filling.abort())
  }
}

describe('connect: nobody there', () => {
  test('options that are none are refused at once', async () => {
    const url = `usmp://${LOOPBACK}:${await closedPort()}`
    const bad = [
      { connectTimeout: Number.POSITIVE_INFINITY },
      { connectTimeout: Number.NaN },
      { connectTimeout: -1 },
      { handshakeTimeout: Number('10s') },
      { idleTimeout: 30 * 24 * 3600 * 1000 },
      { keepalive: -1 },
      { suite: 3 as never },
      { extensions: [5] },
    ]
    for (const options of bad) {
      expect(await codeOf(connect(url, { ...device, ...options })), JSON.stringify(options)).toBe('INVALID_ARGUMENT')
    }
    expect(await codeOf(connectTcp(LOOPBACK, 70_000, { timeout: 100 }))).toBe('INVALID_ARGUMENT')
  })

  test('a connectTimeout needs not be a whole number', async () => {
    const { url } = await startServer()
    const session = await connect(url, { ...device, connectTimeout: 2009.9999999999998 })
    await session.close()
  })

  test('a closed port is UNREACHABLE, with the reason', async () => {
    const port = await closedPort()
    const error = await failureOf(connect(`usmp://${LOOPBACK}:${port}`, device))
    expect(error.code).toBe('UNREACHABLE')
    expect(error.message).toContain(`${LOOPBACK}:${port}`)
    expect(error.message).toContain('ECONNREFUSED')
    expect(error.cause).toMatchObject({ code: 'ECONNREFUSED' })
    expect(error.retryable).toBe(true)
  })

  test('a name with several addresses tells what happened at each', async () => {
    const addresses = await lookup('localhost', { all: true })
    const error = await failureOf(connect(`usmp://localhost:${await closedPort()}`, device))
    expect(error.code).toBe('UNREACHABLE')
    expect(error.message.split('ECONNREFUSED').length - 1).toBe(addresses.length)
  })

  test('a name that does not exist', async () => {
    expect(await codeOf(connect('usmp://does-not-exist.invalid', device))).toBe('UNREACHABLE')
  })

  test('connecting that hangs ends by its timeout, or by an abort', async () => {
    const port = await hangingPort()
    const url = `usmp://${LOOPBACK}:${port}`
    const error = await failureOf(connect(url, { ...device, connectTimeout: 100 }))
    expect(error.code).toBe('UNREACHABLE')
    expect(error.message).toContain('no answer within 100 ms')
    const abort = new AbortController()
    const connecting = connect(url, { ...device, signal: abort.signal })
    expect(await isSettled(connecting)).toBe(false)
    abort.abort(new Error('enough'))
    const aborted = await failureOf(connecting)
    expect([aborted.code, (aborted.cause as Error).message]).toEqual(['ABORTED', 'enough'])
  })

  test('a signal that has fired opens no socket', async () => {
    const { url, sockets } = await rawServer()
    expect(await codeOf(connect(url, { ...device, signal: AbortSignal.abort() }))).toBe('ABORTED')
    await codeOf(connect(url, { ...device, handshakeTimeout: 20 }))
    expect(sockets.length).toBe(1)
  })
})

describe('connect: somebody else there', () => {
  test('a server that says nothing: HANDSHAKE_TIMEOUT with the step', async () => {
    const { url, sockets } = await rawServer()
    const error = await failureOf(connect(url, { ...device, handshakeTimeout: 50 }))
    expect([error.code, error.retryable]).toEqual(['HANDSHAKE_TIMEOUT', true])
    expect(error.message).toContain('awaiting challenge')
    await until(() => sockets[0]!.resume().closed)
  })

  test('a server of another kind: BAD_MAGIC', async () => {
    const { url } = await rawServer((socket) => socket.write('SSH-2.0-OpenSSH\r\n'))
    expect(await codeOf(connect(url, device))).toBe('BAD_MAGIC')
  })

  test('refused before the proof: the hint names lockout and limits (W11)', async () => {
    const { url } = await rawServer((socket) => socket.end())
    const error = await failureOf(connect(url, device))
    expect([error.code, error.awaited, error.retryable]).toEqual(['HANDSHAKE_REFUSED', PacketType.CHALLENGE, true])
    expect(error.message).toContain('before CHALLENGE')
    expect(error.hint).toMatch(/locked out.*limit.*version.*not a USMP/s)
  })

  test('refused after the proof: the hint names the key first (W11)', async () => {
    const { url } = await startServer()
    const error = await failureOf(connect(url, { ...device, psk: OTHER_PSK }))
    expect([error.code, error.awaited]).toEqual(['HANDSHAKE_REFUSED', PacketType.SESSION_OK])
    expect(error.message).toContain('after our proof')
    expect(error.hint).toMatch(/^Most likely the key is wrong or the device id unknown/)
  })

  test('secrets are in no error', async () => {
    const { url } = await startServer()
    const error = await failureOf(connect(url, { ...device, psk: OTHER_PSK }))
    const shown = `${error.message} ${error.hint} ${JSON.stringify(error)} ${error.stack}`
    expect(shown).not.toContain(Buffer.from(OTHER_PSK).toString('hex'))
    expect(shown).not.toContain([...OTHER_PSK].join(','))
  })
})

describe('connect: arguments', () => {
  // Nobody listens at these addresses: the argument has to be judged first.
  test.each([
    ['no address', 'not a url', {}, 'INVALID_ARGUMENT'],
    ['another protocol', 'http://127.0.0.1:1', {}, 'INVALID_ARGUMENT'],
    ['no host', 'usmp://', {}, 'INVALID_ARGUMENT'],
    ['a port that is none', 'usmp://127.0.0.1:70000', {}, 'INVALID_ARGUMENT'],
    ['a device id that is none', 'usmp://127.0.0.1:1', { deviceId: 'nobody' }, 'INVALID_ARGUMENT'],
    ['a device id of 5 bytes', 'usmp://127.0.0.1:1', { deviceId: pattern(5) }, 'INVALID_ARGUMENT'],
    ['a short key', 'usmp://127.0.0.1:1', { psk: pattern(15) }, 'WEAK_PSK'],
    ['a scheme that is none of ours', 'tcp://127.0.0.1:1', {}, 'INVALID_ARGUMENT'],
    ['a key of zeros', 'usmp://127.0.0.1:1', { psk: new Uint8Array(32) }, 'WEAK_PSK'],
    ['no key', 'usmp://127.0.0.1:1', { psk: 'text' as never }, 'INVALID_ARGUMENT'],
  ])('%s', async (_, url, options, code) => {
    expect(await codeOf(connect(url, { ...device, ...options }))).toBe(code)
  })

  test('the forms an address may have', async () => {
    const { server } = await startServer({ tcp: { host: 'localhost', port: 0 } })
    const host = server.address.startsWith('[') ? '[::1]' : LOOPBACK
    const url = `usmp://${host}:${server.port}`
    await (await connect(url, device)).close()
    await (await connect(new URL(url), { ...device, deviceId: pattern(6) })).close()
  })
})

describe('sessions', () => {
  test('a new session after each end; nothing is queued across', async () => {
    const { server, url } = await startServer()
    const abort = new AbortController()
    const received: (string | undefined)[][] = []
    void (async () => {
      for await (const session of server) {
        received.push([])
        const own = received.at(-1)!
        const message = await session.receive().catch(() => undefined)
        own.push(textOf(message))
        await session.close()
        if (received.length === 2) abort.abort()
      }
    })()
    const ids: string[] = []
    const reasons: string[] = []
    let last: Session | undefined
    for await (const session of sessions(url, {
      ...device,
      signal: abort.signal,
      onRetry: ({ code }) => reasons.push(code),
    })) {
      if (last) expect(await codeOf(last.send('for the session before'))).toBe('CLOSED')
      last = session
      ids.push(session.sessionId)
      await session.send(`message ${ids.length}`)
      await collect(session)
    }
    expect(received).toEqual([['message 1'], ['message 2']])
    expect(new Set(ids).size).toBe(2)
    expect(reasons[0]).toBe('CLOSED')
  })

  test('a server that comes back is found again', async () => {
    const first = await startServer()
    const { port } = first.server
    const abort = new AbortController()
    const reasons: string[] = []
    const loop = sessions(first.url, { ...device, signal: abort.signal, onRetry: ({ code }) => reasons.push(code) })
    const session = (await loop.next()).value!
    await first.server.close()
    await session.closed
    const next = loop.next()
    await until(() => reasons.includes('UNREACHABLE'))
    await startServer({ tcp: { host: LOOPBACK, port } })
    await (await next).value!.ping()
    abort.abort()
    expect((await loop.next()).done).toBe(true)
  })

  /** Lets a pause pass each time that one was told. */
  async function afterEachPause(pauses: readonly number[], count: number): Promise<void> {
    for (let n = 1; n <= count; n++) {
      await until(() => pauses.length >= n)
      vi.advanceTimersByTime(pauses[n - 1]!)
    }
  }

  test('a device that is switched on before it is registered gets in once it is', async () => {
    vi.useFakeTimers({ toFake: ['performance', 'setTimeout', 'clearTimeout'] })
    onTestFinished(() => void vi.useRealTimers())
    const keys = new Map<string, Uint8Array>()
    const { url, codes } = await startServer({ psk: (id) => keys.get(id) ?? null })
    const pauses: number[] = []
    const loop = sessions(url, { ...device, onRetry: (_, pause) => pauses.push(pause) })
    const next = loop.next()
    await afterEachPause(pauses, 11)
    keys.set(DEVICE_ID, PSK)
    await (await next).value!.ping()
    await loop.return()
    expect(codes().filter((code) => code === 'UNKNOWN_DEVICE').length).toBeGreaterThan(5)
  })

  test('a key store that is away for a while keeps no device away, and does not look like a wrong key', async () => {
    vi.useFakeTimers({ toFake: ['performance', 'setTimeout', 'clearTimeout'] })
    onTestFinished(() => void vi.useRealTimers())
    let isAway = true
    const psk = async () => {
      if (isAway) throw new Error('no database')
      return PSK
    }
    const { url, codes } = await startServer({ psk })
    const pauses: number[] = []
    const reasons: UsmpError[] = []
    const onRetry = (reason: UsmpError, pause: number) => {
      reasons.push(reason)
      pauses.push(pause)
    }
    const loop = sessions(url, { ...device, onRetry, maxRefusals: 1 })
    const next = loop.next()
    await afterEachPause(pauses, 12)
    isAway = false
    await (await next).value!.ping()
    await loop.return()
    expect(Math.max(...pauses), 'the normal pace').toBeLessThanOrEqual(30_000)
    expect(reasons[0]!.awaited).toBe(PacketType.CHALLENGE)
    expect(reasons[0]!.message).toContain('INTERNAL')
    expect(reasons[0]!.hint).toMatch(/could not look up the key/)
    expect(new Set(codes()), 'and locks nobody out').toEqual(new Set(['PSK_LOOKUP_FAILED']))
  })

  test('maxRefusals: a wrong key is given up', async () => {
    vi.useFakeTimers({ toFake: ['performance', 'setTimeout', 'clearTimeout'] })
    onTestFinished(() => void vi.useRealTimers())
    const { url, codes } = await startServer()
    const pauses: number[] = []
    const options = { ...device, psk: OTHER_PSK, onRetry: (_: unknown, pause: number) => pauses.push(pause) }
    const failing = failureOf(sessions(url, { ...options, maxRefusals: 5 }).next())
    await afterEachPause(pauses, 4)
    expect((await failing).code).toBe('HANDSHAKE_REFUSED')
    expect(codes()).toEqual(new Array(5).fill('AUTH_FAILED'))
  })

  test('wrong arguments are thrown at once', async () => {
    expect(await codeOf(sessions('usmp://127.0.0.1:1', { ...device, psk: pattern(3) }).next())).toBe('WEAK_PSK')
  })
})
