import { encodeFrame, PacketType, UsmpError } from '@usmp/core'
import { isSettled, pattern } from '@usmp/testing'
import { describe, expect, test } from 'vitest'
import { DatagramDemultiplexer, type DatagramPeer } from '../src/datagram-demultiplexer.ts'

/** Sources are topics here: nothing of the demultiplexer asks for an IP address. */
interface Topic {
  readonly name: string
}

const hello = (seed = 0) => encodeFrame({ type: PacketType.HELLO, payload: pattern(38, seed) })
const DEVICE_ID = pattern(6)
const data = encodeFrame({ type: PacketType.DATA, payload: pattern(40) })
const helloAck = encodeFrame({ type: PacketType.HELLO_ACK, payload: pattern(32) })

interface Seen {
  readonly peer: DatagramPeer
  readonly received: Uint8Array[]
  /** What the sink was told at the end, if it was. */
  readonly ends: unknown[]
}

function start() {
  const peers: Seen[] = []
  const sent: [topic: string, datagram: Uint8Array][] = []
  let validate: (topic: Topic) => Uint8Array | undefined = () => DEVICE_ID
  let budget = Number.POSITIVE_INFINITY
  const demultiplexer = new DatagramDemultiplexer<Topic>({
    validateHello: (_datagram, topic) => validate(topic),
    mayBegin: () => budget-- > 0,
    send: (datagram, { name }) => void sent.push([name, datagram]),
    onPeer: (peer) => {
      const seen: Seen = { peer, received: [], ends: [] }
      peers.push(seen)
      peer.transport.open({
        receive: (datagram) => seen.received.push(datagram),
        drain: () => {},
        end: (cause) => seen.ends.push(cause),
      })
    },
  })
  return {
    demultiplexer,
    peers,
    sent,
    receive: (datagram: Uint8Array, name = 'device/1/up') => demultiplexer.receive(datagram, name, { name }),
    setValidate: (next: typeof validate) => (validate = next),
    setBudget: (count: number) => (budget = count),
    dropped: () => Object.fromEntries(demultiplexer.dropped),
  }
}

describe('a demultiplexer of datagrams', () => {
  test('begins a handshake for a HELLO that is valid, and sends back to its source', () => {
    const { receive, peers, sent, dropped } = start()
    receive(hello())
    expect(peers.map(({ peer }) => [peer.deviceId, peer.transport.address])).toEqual([
      ['00:07:0e:15:1c:23', 'device/1/up'],
    ])
    expect(peers[0]!.received).toEqual([hello()])
    peers[0]!.peer.transport.write([data])
    expect(sent).toEqual([['device/1/up', data]])
    expect(dropped()).toEqual({})
  })

  test('keeps nothing for a source that has yet to show that it receives', async () => {
    const { receive, peers, setValidate, demultiplexer } = start()
    setValidate(() => undefined)
    receive(hello())
    expect(peers).toEqual([])
    expect(await isSettled(demultiplexer.empty())).toBe(true)
  })

  test('drops and counts what belongs to nobody, is not valid, or is one too many', () => {
    const { receive, peers, setValidate, setBudget, dropped } = start()
    receive(data)
    receive(helloAck)
    setValidate(() => {
      throw new UsmpError('BAD_COOKIE')
    })
    receive(hello())
    setValidate(() => DEVICE_ID)
    setBudget(0)
    receive(hello())
    expect(dropped()).toEqual({ UNEXPECTED_PACKET: 2, BAD_COOKIE: 1, TOO_MANY_CONNECTIONS: 1 })
    expect(peers).toEqual([])
  })

  test('a repeated HELLO is no new one; another one of the source restarts its handshake', () => {
    const { receive, peers, setBudget, dropped } = start()
    receive(hello())
    setBudget(0)
    receive(hello())
    expect(peers[0]!.received).toEqual([hello(), hello()])
    setBudget(1)
    receive(hello(1))
    receive(hello(2))
    expect(peers).toHaveLength(1)
    expect(peers[0]!.received).toEqual([hello(), hello(), hello(1)])
    expect(dropped()).toEqual({ TOO_MANY_CONNECTIONS: 1 })
  })

  test('sources do not see each other', () => {
    const { receive, peers } = start()
    receive(hello(), 'a')
    receive(hello(), 'b')
    receive(data, 'b')
    expect(peers.map(({ received }) => received.length)).toEqual([1, 2])
  })

  test('a restarted device shakes hands beside its session, which ends only once the new one is proven', () => {
    const { receive, peers } = start()
    receive(hello())
    peers[0]!.peer.takeOver()
    receive(hello(1))
    expect(peers).toHaveLength(2)
    receive(data)
    receive(helloAck)
    expect(peers[0]!.received, 'sealed frames are for the session').toEqual([hello(), data])
    expect(peers[1]!.received, 'handshake frames for the handshake').toEqual([hello(1), helloAck])
    expect(peers[0]!.ends).toEqual([])
    peers[1]!.peer.takeOver()
    expect(peers[0]!.ends).toEqual([expect.objectContaining({ code: 'REPLACED' })])
    receive(data)
    expect(peers[1]!.received.at(-1)).toEqual(data)
  })

  test('the one that was replaced sends nothing any more, and its end does not touch the newer', () => {
    const { receive, peers, sent } = start()
    receive(hello())
    peers[0]!.peer.takeOver()
    receive(hello(1))
    peers[1]!.peer.takeOver()
    peers[0]!.peer.transport.write([data])
    peers[0]!.peer.transport.abort()
    peers[0]!.peer.takeOver()
    expect(sent).toEqual([])
    receive(data)
    expect(peers[1]!.received.at(-1)).toEqual(data)
  })

  test('is empty when every transport was closed or aborted', async () => {
    const { receive, peers, demultiplexer, dropped } = start()
    receive(hello(), 'a')
    receive(hello(), 'b')
    const empty = demultiplexer.empty()
    await peers[0]!.peer.transport.close()
    expect(await isSettled(empty)).toBe(false)
    peers[1]!.peer.transport.abort()
    await empty
    receive(data, 'a')
    expect(dropped()).toEqual({ UNEXPECTED_PACKET: 1 })
  })

  test('a handshake that is refused at once leaves nothing behind', async () => {
    let peers = 0
    const demultiplexer = new DatagramDemultiplexer<Topic>({
      validateHello: () => DEVICE_ID,
      mayBegin: () => true,
      send: () => {},
      onPeer: ({ transport }) => {
        peers++
        transport.abort()
      },
    })
    for (let i = 0; i < 3; i++) demultiplexer.receive(hello(), 'a', { name: 'a' })
    expect(peers).toBe(3)
    await demultiplexer.empty()
  })

  test('ends all handshakes and sessions when its network is gone', async () => {
    const { demultiplexer, receive, peers } = start()
    receive(hello(), 'device/1/up')
    peers[0]!.peer.takeOver()
    receive(hello(1), 'device/1/up')
    receive(hello(), 'device/2/up')
    const empty = demultiplexer.empty()
    const reason = new UsmpError('TRANSPORT_FAILED')
    demultiplexer.destroyAll(reason)
    expect(peers.map(({ ends }) => ends)).toEqual([[reason], [reason], [reason]])
    await empty
  })
})
