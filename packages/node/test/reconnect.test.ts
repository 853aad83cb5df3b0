import { reconnecting, Session, streamTransport, UsmpError } from '@usmp/core'
import { collect, DEVICE_ID_BYTES, failureOf, isSettled, PSK, SimulatedClock, turns, until } from '@usmp/testing'
import { describe, expect, test } from 'vitest'
import { nodeProvider, nodeRandom } from '../src/crypto-node.ts'

/** Both ends of a new session in memory. */
async function sessionPair(clock: SimulatedClock): Promise<{ client: Session; server: Session }> {
  const there = new TransformStream<Uint8Array, Uint8Array>()
  const back = new TransformStream<Uint8Array, Uint8Array>()
  const common = { random: nodeRandom, provider: nodeProvider, clock, keepalive: 0, idleTimeout: 0 }
  const [client, server] = await Promise.all([
    Session.connect(streamTransport({ kind: 'stream', readable: back.readable, writable: there.writable }), {
      ...common,
      deviceId: DEVICE_ID_BYTES,
      psk: PSK,
    }),
    Session.accept(streamTransport({ kind: 'stream', readable: there.readable, writable: back.writable }), {
      ...common,
      authorize: () => ({ psk: PSK }),
    }),
  ])
  return { client, server }
}

const unreachable = () => new UsmpError('UNREACHABLE')
const refusedProof = () => new UsmpError('HANDSHAKE_REFUSED', undefined, { awaited: 0x04 })

/** Sessions whose attempts go as `attempt` says, and what was told about the pauses. */
function begin(
  attempt: (n: number, clock: SimulatedClock) => Promise<Session>,
  {
    jitter = () => 1 - 2 ** -53,
    signal,
    maxRefusals,
  }: { jitter?: () => number; signal?: AbortSignal; maxRefusals?: number } = {},
) {
  const clock = new SimulatedClock()
  const pauses: number[] = []
  const reasons: string[] = []
  const state = { attempts: 0 }
  const sessions = reconnecting(() => attempt(++state.attempts, clock), {
    clock,
    jitter,
    signal,
    ...(maxRefusals === undefined ? {} : { maxRefusals }),
    onRetry: (reason, pause) => {
      reasons.push(reason.code)
      pauses.push(pause)
    },
  })
  return { clock, pauses, reasons, state, sessions }
}

describe('reconnecting', () => {
  test('pauses double from half a second to 30 seconds', async () => {
    const { clock, pauses, sessions, state } = begin(() => Promise.reject(unreachable()))
    void sessions.next()
    for (let n = 1; n <= 9; n++) {
      await until(() => pauses.length === n)
      clock.advance(pauses[n - 1]! - 1)
      await turns(3)
      expect(state.attempts).toBe(n)
      clock.advance(1)
    }
    expect(pauses).toEqual([500, 1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000, 30_000])
  })

  test('pauses after refusals stay below what the caller chose', async () => {
    const clock = new SimulatedClock()
    const pauses: number[] = []
    const sessions = reconnecting(() => Promise.reject(refusedProof()), {
      clock,
      jitter: () => 1 - 2 ** -53,
      longestRefusalPause: 3_000,
      onRetry: (_, pause) => pauses.push(pause),
    })
    void sessions.next()
    for (let n = 1; n <= 5; n++) {
      await until(() => pauses.length === n)
      clock.advance(3_000)
    }
    expect(pauses).toEqual([500, 1_000, 2_000, 3_000, 3_000])
  })

  test('pauses after other failures stay below what the caller chose, too', async () => {
    const clock = new SimulatedClock()
    const pauses: number[] = []
    const sessions = reconnecting(() => Promise.reject(unreachable()), {
      clock,
      jitter: () => 1 - 2 ** -53,
      longestPause: 2_000,
      onRetry: (_, pause) => pauses.push(pause),
    })
    void sessions.next()
    for (let n = 1; n <= 4; n++) {
      await until(() => pauses.length === n)
      clock.advance(2_000)
    }
    expect(pauses).toEqual([500, 1_000, 2_000, 2_000])
  })

  test('the caller may wait out the pauses in another way', async () => {
    const wakes: [pause: number, wake: () => void][] = []
    const stop = new AbortController()
    const clock = new SimulatedClock()
    const sessions = reconnecting(() => Promise.reject(unreachable()), {
      clock,
      jitter: () => 0,
      signal: stop.signal,
      sleep: (pause) => new Promise((resolve) => wakes.push([pause, resolve])),
    })
    const end = sessions.next()
    await until(() => wakes.length === 1)
    wakes[0]![1]()
    await until(() => wakes.length === 2)
    expect([wakes.map(([pause]) => pause), clock.pending]).toEqual([[250, 500], 0])
    stop.abort()
    wakes[1]![1]()
    expect(await end).toEqual({ value: undefined, done: true })
  })

  test('jitter spreads each pause over its upper half', async () => {
    const draws = [0, 0.5, 0.999]
    const { clock, pauses, sessions } = begin(() => Promise.reject(unreachable()), {
      jitter: () => draws[pauses.length]!,
    })
    void sessions.next()
    for (let n = 1; n <= 3; n++) {
      await until(() => pauses.length === n)
      if (n < 3) clock.advance(30_000)
    }
    expect(pauses).toEqual([250, 750, 1_999])
  })

  test('a session that lasted starts the pauses again', async () => {
    const servers: Session[] = []
    const { clock, pauses, reasons, sessions } = begin(async (n, clock) => {
      if (n <= 3) throw unreachable()
      const { client, server } = await sessionPair(clock)
      servers.push(server)
      return client
    })
    const first = sessions.next()
    for (let n = 1; n <= 3; n++) {
      await until(() => pauses.length === n)
      clock.advance(30_000)
    }
    const session = (await first).value!
    clock.advance(10_000)
    await Promise.all([servers[0]!.close(), session.closed])
    void sessions.next()
    await until(() => pauses.length === 4)
    expect(pauses).toEqual([500, 1_000, 2_000, 500])
    expect(reasons[3]).toBe('CLOSED')
  })

  test('sessions that the server ends at once are failures like others', async () => {
    const { clock, pauses, sessions } = begin(async (_, clock) => {
      const { client, server } = await sessionPair(clock)
      await Promise.all([server.close(), client.closed])
      return client
    })
    for (let n = 1; n <= 4; n++) {
      const next = sessions.next()
      if (n > 1) {
        await until(() => pauses.length === n - 1)
        clock.advance(30_000)
      }
      expect((await next).done).toBe(false)
    }
    expect(pauses).toEqual([500, 1_000, 2_000])
  })

  test('the session is closed when the next one is asked for, and when the loop is left', async () => {
    const made: Session[] = []
    const { clock, sessions } = begin(async (_, clock) => {
      const { client, server } = await sessionPair(clock)
      void collect(server)
      made.push(client)
      return client
    })
    await sessions.next()
    const next = sessions.next()
    expect((await made[0]!.closed).code).toBe('CLOSED')
    await until(() => clock.delays.includes(500))
    clock.advance(500)
    await next
    expect(made[1]!.signal.aborted).toBe(false)
    await sessions.return()
    expect((await made[1]!.closed).code).toBe('CLOSED')
  })

  test('a device that is not registered yet goes on for as long as it takes: a refusal is not the end', async () => {
    const { clock, pauses, reasons, state, sessions } = begin(async (n, clock) => {
      if (n <= 30) throw refusedProof()
      return (await sessionPair(clock)).client
    })
    const next = sessions.next()
    for (let n = 1; n <= 30; n++) {
      await until(() => pauses.length === n)
      clock.advance(pauses[n - 1]!)
    }
    expect((await next).done).toBe(false)
    expect(state.attempts).toBe(31)
    expect(new Set(reasons)).toEqual(new Set(['HANDSHAKE_REFUSED']))
    expect(pauses.slice(0, 3)).toEqual([500, 1_000, 2_000])
    expect(pauses.slice(-2), 'five minutes at most').toEqual([300_000, 300_000])
  })

  test('what the server does not refuse is tried at the normal pace, also after refusals', async () => {
    const { clock, pauses, sessions } = begin((n) => Promise.reject(n > 11 ? unreachable() : refusedProof()))
    void sessions.next()
    for (let n = 1; n <= 13; n++) {
      await until(() => pauses.length === n)
      clock.advance(pauses[n - 1]!)
    }
    expect(pauses.slice(10)).toEqual([300_000, 500, 1_000])
  })

  test('a stranger at an acceptor makes nobody wait for minutes', async () => {
    const codes = ['AUTH_FAILED', 'UNKNOWN_DEVICE', 'LOCKED_OUT', 'PSK_LOOKUP_FAILED'] as const
    const { clock, pauses, state, sessions } = begin((n) => Promise.reject(new UsmpError(codes[n % 4]!)), {
      maxRefusals: 1,
    })
    const next = sessions.next()
    for (let n = 1; n <= 12; n++) {
      await until(() => pauses.length === n)
      clock.advance(30_000)
    }
    expect(Math.max(...pauses)).toBe(30_000)
    expect(await isSettled(next)).toBe(false)
    expect(state.attempts).toBe(13)
  })

  test('maxRefusals: so many refusals in a row are the end, not counting other failures', async () => {
    const { clock, pauses, state, sessions } = begin((n) => Promise.reject(n % 2 ? refusedProof() : unreachable()), {
      maxRefusals: 5,
    })
    const failing = failureOf(sessions.next())
    for (let n = 1; n <= 8; n++) {
      await until(() => pauses.length === n)
      clock.advance(30_000)
    }
    expect((await failing).code).toBe('HANDSHAKE_REFUSED')
    expect(state.attempts).toBe(9)
  })

  test.each([0, -1, Number.NaN])('maxRefusals of %s is none', async (maxRefusals) => {
    const { sessions, state } = begin(() => Promise.reject(unreachable()), { maxRefusals })
    expect((await failureOf(sessions.next())).code).toBe('INVALID_ARGUMENT')
    expect(state.attempts).toBe(0)
  })

  test('a refusal before the proof is retried: it is a limit or a lockout', async () => {
    const { clock, pauses, sessions } = begin(() =>
      Promise.reject(new UsmpError('HANDSHAKE_REFUSED', '', { awaited: 2 })),
    )
    const failing = sessions.next()
    for (let n = 1; n <= 12; n++) {
      await until(() => pauses.length === n)
      clock.advance(30_000)
    }
    expect(await isSettled(failing)).toBe(false)
  })

  test.each(['BAD_VERSION', 'BAD_PAYLOAD', 'UNEXPECTED_PACKET', 'LOW_ORDER_POINT', 'SUITE_MISMATCH'] as const)(
    '%s is what anybody on the way can cause: a refusal like others',
    async (code) => {
      const { clock, pauses, state, sessions } = begin(
        (n) => Promise.reject(n % 2 ? new UsmpError(code) : unreachable()),
        { maxRefusals: 5 },
      )
      const failing = failureOf(sessions.next())
      for (let n = 1; n <= 8; n++) {
        await until(() => pauses.length === n)
        clock.advance(30_000)
      }
      expect((await failing).code).toBe(code)
      expect(state.attempts).toBe(9)
    },
  )

  test('a session that succeeds makes up for the refusals before it', async () => {
    const attempt = async (n: number, clock: SimulatedClock) => {
      if (n % 5 !== 0) throw n % 2 ? refusedProof() : new UsmpError('BAD_VERSION')
      const { client, server } = await sessionPair(clock)
      await Promise.all([server.close(), client.closed])
      return client
    }
    const { clock, pauses, sessions } = begin(attempt, { maxRefusals: 5 })
    let next = sessions.next()
    for (let n = 1; n <= 14; n++) {
      if (n % 5 === 0) {
        expect((await next).done).toBe(false)
        next = sessions.next()
      }
      await until(() => pauses.length === n)
      clock.advance(30_000)
    }
    expect((await next).done).toBe(false)
  })

  test('sessions that end each time by a fault of the peer are refusals as well', async () => {
    const attempt = async (_: number, clock: SimulatedClock) => {
      const { client } = await sessionPair(clock)
      await client.close(new UsmpError('SUITE_MISMATCH'))
      return client
    }
    const { clock, pauses, sessions } = begin(attempt, { maxRefusals: 5 })
    for (let n = 1; n <= 5; n++) {
      expect((await sessions.next()).done).toBe(false)
      if (n === 5) break
      const pausing = until(() => pauses.length === n).then(() => clock.advance(30_000))
      void pausing
    }
    expect((await failureOf(sessions.next())).code).toBe('SUITE_MISMATCH')
  })

  test.each(['INVALID_ARGUMENT', 'WEAK_PSK', 'RANDOM_FAILED'] as const)('%s is not retried', async (code) => {
    const { state, sessions } = begin(() => Promise.reject(new UsmpError(code)))
    expect((await failureOf(sessions.next())).code).toBe(code)
    expect(state.attempts).toBe(1)
  })

  test('an abort ends the pause and the loop', async () => {
    const abort = new AbortController()
    const { clock, pauses, sessions } = begin(() => Promise.reject(unreachable()), { signal: abort.signal })
    const next = sessions.next()
    await until(() => pauses.length === 1)
    abort.abort()
    expect(await next).toEqual({ done: true, value: undefined })
    expect(clock.pending).toBe(0)
  })

  test('an abort just before the pause ends the loop too', async () => {
    const abort = new AbortController()
    const sessions = reconnecting(() => Promise.reject(unreachable()), {
      clock: new SimulatedClock(),
      jitter: () => 0,
      signal: abort.signal,
      onRetry: () => abort.abort(),
    })
    expect((await sessions.next()).done).toBe(true)
  })

  test('an abort closes the session there is and ends the loop', async () => {
    const abort = new AbortController()
    const servers: Session[] = []
    const { sessions } = begin(
      async (_, clock) => {
        const { client, server } = await sessionPair(clock)
        servers.push(server)
        return client
      },
      { signal: abort.signal },
    )
    const seen: Session[] = []
    const loop = (async () => {
      for await (const session of sessions) {
        seen.push(session)
        for await (const _ of session);
      }
    })()
    await until(() => seen.length === 1)
    abort.abort()
    await until(() => servers[0]!.signal.aborted)
    await servers[0]!.close()
    await loop
    expect(seen.length).toBe(1)
  })

  test('nothing is tried with a signal that has fired', async () => {
    const { state, sessions } = begin(() => Promise.reject(unreachable()), { signal: AbortSignal.abort() })
    expect((await sessions.next()).done).toBe(true)
    expect(state.attempts).toBe(0)
  })
})
