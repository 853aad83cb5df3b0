import { once } from 'node:events'
import type { Socket } from 'node:net'
import { Session } from '@usmp/core'
import { codeOf, DEVICE_ID_BYTES, PSK, pattern, SimulatedClock, turn, until } from '@usmp/testing'
import { describeAdapter, type Ends } from '@usmp/testing/adapter-suite'
import { ManualPeer } from '@usmp/testing/manual-peer'
import { describe, expect, onTestFinished, test } from 'vitest'
import { nodeClock } from '../src/clock.ts'
import { nodeProvider, nodeRandom } from '../src/crypto-node.ts'
import { formatAddress, tcpTransport } from '../src/tcp.ts'
import { socketPair } from './network.ts'

async function open(): Promise<Ends> {
  const { near, far } = await socketPair()
  return { client: tcpTransport(near), server: tcpTransport(far) }
}

describeAdapter({ name: 'TCP', kind: 'stream', open })

describe('TCP sockets', () => {
  const common = { provider: nodeProvider, random: nodeRandom, clock: nodeClock }

  async function sessionWith(): Promise<{ session: Session; peer: ManualPeer; near: Socket; far: Socket }> {
    const { near, far } = await socketPair()
    onTestFinished(() => {
      near.destroy()
      far.destroy()
    })
    const connecting = Session.connect(tcpTransport(near), { ...common, deviceId: DEVICE_ID_BYTES, psk: PSK })
    const peer = await ManualPeer.connected(tcpTransport(far), 'server')
    return { session: await connecting, peer, near, far }
  }

  test('sending without end to a reader that takes everything at once lets others have a turn', async () => {
    const { session, near } = await sessionWith()
    near._write = (_chunk, _encoding, done) => done()
    let turns = 0
    const count = () => {
      turns++
      setImmediate(count)
    }
    setImmediate(count)
    for (let i = 0; i < 1_000; i++) await session.send(pattern(1808))
    expect(turns).toBeGreaterThan(10)
  })

  test('the frames of one tick leave in one write', async () => {
    const { session, peer, near } = await sessionWith()
    let writes = 0
    const write = near.write.bind(near)
    near.write = ((chunk: Uint8Array) => {
      writes++
      return write(chunk)
    }) as never
    for (let i = 0; i < 50; i++) await session.send(pattern(100))
    await until(() => peer.messages.length === 50)
    expect(writes).toBe(1)
  })

  test('a destroyed socket is TRUNCATED, a reset TRANSPORT_FAILED with its cause, a BYE CLOSED', async () => {
    const destroyed = await sessionWith()
    destroyed.far.destroy()
    expect((await destroyed.session.closed).code).toBe('TRUNCATED')

    const reset = await sessionWith()
    reset.far.resetAndDestroy()
    const reason = await reset.session.closed
    expect([reason.code, (reason.cause as NodeJS.ErrnoException).code]).toEqual(['TRANSPORT_FAILED', 'ECONNRESET'])

    const left = await sessionWith()
    left.peer.write(...left.peer.frames((connection) => connection.close()))
    expect((await left.session.closed).code).toBe('CLOSED')
  })

  test('a half frame before the end is told', async () => {
    const { session, peer, far } = await sessionWith()
    const [frame] = peer.frames((connection) => connection.send(pattern(100), performance.now()))
    far.end(frame!.subarray(0, 50))
    expect((await session.closed).message).toContain('in the middle of a frame')
  })

  test('a reset in the middle of a close is no error of the close', async () => {
    const { session, far } = await sessionWith()
    const closing = session.close()
    far.resetAndDestroy()
    await closing
    expect((await session.closed).code).toBe('CLOSED')
  })

  test('a close does not wait without end for a peer that reads nothing', async () => {
    const { session, near, far } = await sessionWith()
    far.pause()
    while (session.trySend(pattern(1808)));
    await session.close()
    expect(near.destroyed).toBe(true)
  })

  test('a peer that takes nothing any more ends a session whose application does not read, too', async () => {
    const clock = new SimulatedClock()
    const { near, far } = await socketPair()
    onTestFinished(() => void far.destroy())
    const options = { ...common, clock, deviceId: DEVICE_ID_BYTES, psk: PSK, idleTimeout: 1_000, keepalive: 0 }
    const connecting = Session.connect(tcpTransport(near), options)
    const peer = await ManualPeer.connected(tcpTransport(far), 'server')
    const session = await connecting
    far.pause()
    while (session.trySend(pattern(1808))) await turn()
    for (let i = 0; i < 60; i++) peer.send(pattern(1808))
    await until(() => near.isPaused())
    expect(session.trySend(pattern(1))).toBe(false)
    clock.advance(999)
    expect(session.signal.aborted).toBe(false)
    clock.advance(1)
    expect((await session.closed).code).toBe('IDLE_TIMEOUT')
    expect(clock.pending).toBe(0)
  })

  test('options that are none leave no socket behind', async () => {
    const { near, far } = await socketPair()
    onTestFinished(() => void far.destroy())
    const options = { ...common, authorize: () => null, extensions: [5] }
    expect(await codeOf(Session.accept(tcpTransport(near), options))).toBe('INVALID_ARGUMENT')
    expect(near.destroyed).toBe(true)
  })

  test('the own half of the connection ends with the peer: no half-open sockets stay', async () => {
    const { session, near, far } = await sessionWith()
    far.end()
    expect(await codeOf(session.receive())).toBe('TRUNCATED')
    if (!near.closed) await once(near, 'close')
    expect(near.destroyed).toBe(true)
  })

  test('addresses as people write them', () => {
    expect(formatAddress('10.0.0.1', 9000)).toBe('10.0.0.1:9000')
    expect(formatAddress('::1', 9000)).toBe('[::1]:9000')
  })
})
