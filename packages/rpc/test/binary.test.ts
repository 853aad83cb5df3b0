import { MAX_MESSAGE } from '@usmp/core'
import * as v from 'valibot'
import { describe, expect, onTestFinished, test } from 'vitest'
import { contract, type RpcOptions, reconnecting, rpc } from '../src/index.ts'
import { codeOf, RawPeer, sessionPair, until } from './helpers.ts'

const api = contract({ requests: { echo: { params: v.object({ n: v.number() }), result: v.number() } } })
const requests = { echo: ({ n }: { n: number }) => n }

const binary = (...bytes: number[]) => Uint8Array.of(0xfe, ...bytes)

async function sessions() {
  const pair = await sessionPair()
  onTestFinished(async () => {
    await Promise.all([pair.client.close(), pair.server.close()])
  })
  return pair
}

/** Both ends, of which one takes binary messages. */
async function peers(options: Partial<RpcOptions<typeof api, typeof api>> = {}) {
  const { client, server } = await sessions()
  const faults: Error[] = []
  const onFault = (fault: Error) => faults.push(fault)
  rpc(client, { serves: api, calls: api, requests, onFault, ...options })
  return { peer: rpc(server, { serves: api, calls: api, requests, onFault }), faults }
}

describe('binary messages', () => {
  test('come as they are, of any length that a session takes, between requests', async () => {
    const got: Uint8Array[] = []
    const { peer, faults } = await peers({ onBinary: (message) => void got.push(message) })
    const longest = new Uint8Array(MAX_MESSAGE).fill(7)
    longest[0] = 0xfe
    const asked = peer.request('echo', { n: 1 })
    await peer.sendBinary(binary())
    expect(peer.trySendBinary(binary(0xff, 0, 0x7b))).toBe(true)
    await peer.sendBinary(longest)
    expect(await asked).toBe(1)
    expect(await peer.request('echo', { n: 2 })).toBe(2)
    expect(got).toEqual([binary(), binary(0xff, 0, 0x7b), longest])
    expect(faults).toEqual([])
  })

  test('reach the function on every session of a reconnecting peer', async () => {
    const pairs = [await sessions(), await sessions()]
    const got: Uint8Array[] = []
    const { closed } = reconnecting(
      (async function* () {
        for (const { client } of pairs) yield client
      })(),
      { serves: api, requests, onBinary: (message) => void got.push(message) },
    )
    for (const [index, { server }] of pairs.entries()) {
      await server.send(binary(index))
      await until(() => got.length === index + 1)
      await server.close()
    }
    await closed
    expect(got).toEqual([binary(0), binary(1)])
  })

  test('what the function throws is told, and the reading goes on', async () => {
    const { peer, faults } = await peers({
      onBinary: (message) => {
        if (message[1] === 1) throw new Error('no room')
        throw 'no error' as never
      },
    })
    await peer.sendBinary(binary(1))
    await peer.sendBinary(binary(2))
    expect(await peer.request('echo', { n: 3 })).toBe(3)
    expect(faults.map(({ message, cause }) => [message, cause])).toEqual([
      ['no room', undefined],
      ['onBinary threw no error', 'no error'],
    ])
  })

  test('without a function they are refused as what is not JSON', async () => {
    const { client, server } = await sessions()
    rpc(client, { serves: api, requests })
    const raw = new RawPeer(server)
    await server.send(binary(1, 2, 3))
    expect(await raw.next()).toMatchObject({ id: null, error: { code: -32700 } })
  })

  test('what the peer would take for something else is not sent', async () => {
    const { peer } = await peers()
    for (const message of [new Uint8Array(0), Uint8Array.of(0xff, 1), new TextEncoder().encode('{}')]) {
      expect(await codeOf(peer.sendBinary(message))).toBe('INVALID_ARGUMENT')
      expect(() => peer.trySendBinary(message)).toThrow(/must begin with 0xFE/)
    }
    const tooLong = new Uint8Array(MAX_MESSAGE + 1).fill(0xfe)
    expect(await codeOf(peer.sendBinary(tooLong))).toBe('MESSAGE_TOO_LARGE')
    expect(() => peer.trySendBinary(tooLong)).toThrow(/1809 bytes/)
  })

  test('a call that is called off, or comes after the end, rejects', async () => {
    const { client } = await sessions()
    const peer = rpc(client, {})
    expect(await codeOf(peer.sendBinary(binary(), { signal: AbortSignal.abort() }))).toBe('ABORTED')
    await client.close()
    expect(await codeOf(peer.sendBinary(binary()))).toBe('CLOSED')
    expect(peer.trySendBinary(binary())).toBe(false)
  })
})
