import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { generateKeyPair } from '@libp2p/crypto/keys'
import { defaultLogger } from '@libp2p/logger'
import { type NoiseComponents, noise } from '@libp2p/noise'
import { peerIdFromPrivateKey } from '@libp2p/peer-id'
import { AbstractMessageStream, type SendResult } from '@libp2p/utils'
import type { StackOpener, Visitor } from './stack.js'

const HOST = '127.0.0.1'
export const LIBP2P_NOISE = 'libp2p noise (XX, identities signed with Ed25519)'

// libp2p takes this for granted, and Node has it from version 22 on.
if (!('withResolvers' in Promise)) Object.assign(Promise, { withResolvers })

const logger = defaultLogger()
const log = logger.forComponent('usmp-bench')

/** What is on its way between two streams, as libp2p hands it over. */
type Bytes = Parameters<AbstractMessageStream['sendData']>[0]

/** The stream that libp2p asks for, over anything that takes bytes: what its transports are built on. */
class Stream extends AbstractMessageStream {
  readonly #write: (bytes: Bytes) => void

  constructor(direction: 'inbound' | 'outbound', write: (bytes: Bytes) => void) {
    super({ log, direction })
    this.#write = write
  }

  sendData(bytes: Bytes): SendResult {
    const sentBytes = bytes.byteLength
    this.#write(bytes)
    return { sentBytes, canSendMore: true }
  }

  // A single byte after the handshake has no need of these; who made the stream ends what is below.
  sendReset(): void {}
  sendPause(): void {}
  sendResume(): void {}
  async close(): Promise<void> {}
}

/** The two ends as nodes of libp2p have them: an identity each, and a static X25519 key that is made once. */
async function makeNode() {
  const privateKey = await generateKeyPair('Ed25519')
  const peerId = peerIdFromPrivateKey(privateKey)
  // Of a node the handshake needs no more than this when it is not to agree on a multiplexer as well.
  const encrypter = noise()({ privateKey, peerId, logger } as NoiseComponents)
  return { peerId, encrypter }
}

type Node = Awaited<ReturnType<typeof makeNode>>

/** The client demands that the server is who it should be, and the server takes every client, as nodes do. */
const dialed = (stream: Stream, client: Node, server: Node) =>
  client.encrypter.secureOutbound(stream, { remotePeer: server.peerId, skipStreamMuxerNegotiation: true })
const accepted = (stream: Stream, server: Node) =>
  server.encrypter.secureInbound(stream, { skipStreamMuxerNegotiation: true })

/** Handshakes between two streams of this process. */
export async function noiseInMemory(): Promise<() => Promise<unknown>> {
  const [client, server] = await Promise.all([makeNode(), makeNode()])
  return () => {
    const outbound: Stream = new Stream('outbound', (bytes) => inbound.onData(bytes))
    const inbound: Stream = new Stream('inbound', (bytes) => outbound.onData(bytes))
    return Promise.all([accepted(inbound, server), dialed(outbound, client, server)])
  }
}

/** libp2p's noise on a socket, without what libp2p negotiates before and after it. */
export const libp2pNoise: StackOpener<Visitor> = async (_size, atEnd) => {
  const [client, server] = await Promise.all([makeNode(), makeNode()])
  const listener = createServer({ noDelay: true }, async (socket) => {
    const { connection } = await accepted(streamOn(socket, 'inbound'), server)
    connection.addEventListener('message', ({ data }) => connection.send(data))
  })
  listener.listen(0, HOST)
  await once(listener, 'listening')
  atEnd(() => listener.close())
  const { port } = listener.address() as AddressInfo

  return {
    name: LIBP2P_NOISE,
    async visit() {
      const socket = connect({ host: HOST, port, noDelay: true })
      await once(socket, 'connect')
      const { connection } = await dialed(streamOn(socket, 'outbound'), client, server)
      const echoed = new Promise((resolve) => connection.addEventListener('message', resolve, { once: true }))
      connection.send(Uint8Array.of(0x5a))
      await echoed
      return async () => {
        socket.end()
        await once(socket, 'close')
      }
    },
  }
}

function streamOn(socket: Socket, direction: 'inbound' | 'outbound'): Stream {
  const stream = new Stream(direction, (bytes) => socket.write(bytes.subarray()))
  socket.on('data', (chunk) => stream.onData(chunk))
  // A connection that fails in the middle ends the waiting on either side.
  socket.on('error', (error) => stream.abort(error))
  socket.on('close', () => stream.onTransportClosed())
  return stream
}

function withResolvers(): object {
  const made = {}
  const promise = new Promise((resolve, reject) => Object.assign(made, { resolve, reject }))
  return Object.assign(made, { promise })
}
