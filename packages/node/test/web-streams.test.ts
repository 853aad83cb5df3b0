import { Session, streamTransport } from '@usmp/core'
import { PSK, turns, until } from '@usmp/testing'
import { type Adapter, describeAdapter } from '@usmp/testing/adapter-suite'
import { ManualPeer } from '@usmp/testing/manual-peer'
import { expect, test } from 'vitest'
import { nodeProvider, nodeRandom } from '../src/crypto-node.ts'

/** Two transports on web streams, crosswise connected in memory. */
function pairOf(kind: 'stream' | 'message' | 'serial'): Adapter {
  return {
    name: `web streams, ${kind}`,
    kind,
    async open() {
      const there = pipe()
      const back = pipe()
      return {
        client: streamTransport({ kind, readable: back.readable, writable: there.writable }),
        server: streamTransport({ kind, readable: there.readable, writable: back.writable }),
      }
    },
  }
}

function pipe(): TransformStream<Uint8Array, Uint8Array> {
  return new TransformStream(undefined, new ByteLengthQueuingStrategy({ highWaterMark: 16 * 1024 }))
}

describeAdapter(pairOf('stream'))
describeAdapter(pairOf('message'))
describeAdapter(pairOf('serial'))

test('a device that restarts on a line while its key is looked up gets in', async () => {
  const { client, server } = await pairOf('serial').open()
  let answer: ((answer: { psk: Uint8Array }) => void) | undefined
  const accepting = Session.accept(server, {
    provider: nodeProvider,
    random: nodeRandom,
    authorize: () => new Promise((resolve) => (answer = resolve)),
  })
  const first = new ManualPeer(client, 'client')
  first.deaf = true
  await until(() => answer !== undefined)
  const restarted = new ManualPeer({ ...client, open: () => {} }, 'client')
  await turns()
  answer!({ psk: PSK })
  const receive = async (count: number) => {
    await until(() => first.received.length === count)
    restarted.connection!.receive(first.received[count - 1]!, performance.now())
  }
  await receive(1)
  restarted.write(restarted.connection!.pollTransmit()!)
  const session = await accepting
  await receive(2)
  expect(restarted.connection!.established).toBe(true)
  await Promise.all([session.close(), first.transport.close()])
})
