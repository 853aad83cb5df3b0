import { randomBytes } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { Connection } from '../src/connection.js'
import { PacketType } from '../src/constants.js'
import type { CryptoProvider } from '../src/crypto.js'
import { nobleProvider } from '../src/crypto-noble.js'
import { ReliableDatagram } from '../src/datagram.js'
import { decodeFrame, encodeFrame } from '../src/frame.js'

/** A provider that answers with Node's Buffer wherever it can, as node:crypto does. */
const bufferProvider: CryptoProvider = {
  ...nobleProvider,
  hmacSha256: (key, message) => Buffer.from(nobleProvider.hmacSha256(key, message)),
  hkdfSha256: (...args) => Buffer.from(nobleProvider.hkdfSha256(...args)),
}

function exchange(client: Connection, server: Connection, psk: Uint8Array): string[] {
  const messages: string[] = []
  for (let moved = true; moved; ) {
    moved = false
    for (const [from, to] of [
      [client, server],
      [server, client],
    ] as const) {
      for (let bytes = from.pollTransmit(); bytes; bytes = from.pollTransmit()) {
        moved = true
        to.receive(Buffer.from(bytes), 0)
      }
      for (let event = from.pollEvent(); event; event = from.pollEvent()) {
        moved = true
        if (event.kind === 'hello') server.authorize({ psk }, 0)
        if (event.kind === 'message') messages.push(Buffer.from(event.data).toString())
        if (event.kind === 'closed' && event.reason.code !== 'CLOSED') throw event.reason
      }
    }
  }
  return messages
}

describe('faults of the past', () => {
  // `slice` of a Buffer is a view: the copy that was wiped after the handshake was the caller's own key.
  test('keys given as a Buffer survive the sessions made with them', () => {
    const psk = randomBytes(32)
    const deviceId = randomBytes(6)
    const before = { psk: Uint8Array.from(psk), deviceId: Uint8Array.from(deviceId) }
    const random = (length: number) => randomBytes(length)
    for (let round = 0; round < 2; round++) {
      const client = Connection.client({ kind: 'stream', random, psk, deviceId, provider: bufferProvider }, 0)
      const server = Connection.server({ kind: 'stream', random, provider: bufferProvider }, 0)
      exchange(client, server, psk)
      client.send(Buffer.from('hello'), 0)
      client.rekey(0)
      client.send(Buffer.from('again'), 0)
      expect(exchange(client, server, psk)).toEqual(['hello', 'again'])
      client.close()
      exchange(client, server, psk)
    }
    expect(Uint8Array.from(psk)).toEqual(before.psk)
    expect(Uint8Array.from(deviceId)).toEqual(before.deviceId)
  })

  test('a repeat in the handshake is known, although the buffer that its first came in is used again', () => {
    const acknowledged: Uint8Array[] = []
    const link = new ReliableDatagram(nobleProvider, {}, 0, (bytes) => acknowledged.push(bytes))
    const frame = encodeFrame({ type: PacketType.HELLO_ACK, seq: 2, payload: randomBytes(32) })
    const buffer = Buffer.from(frame)
    link.acceptHandshake(decodeFrame(buffer))
    buffer.fill(0)
    expect(link.isHandshakeRepeat(decodeFrame(frame))).toBe(true)
    expect(acknowledged).toHaveLength(2)
  })

  test('private keys given as a Buffer survive the key pair made of them', () => {
    const privateKey = randomBytes(32)
    const before = Uint8Array.from(privateKey)
    nobleProvider.keyPairFromPrivate(privateKey).wipe()
    nobleProvider.aead(1, privateKey).wipe()
    expect(Uint8Array.from(privateKey)).toEqual(before)
  })

  // Each REKEY carries a PING behind it: nine rekeys in a second ended the session at the peer with FLOOD.
  test('sixteen rekeys in a row do not flood the peer', () => {
    const psk = randomBytes(32)
    const random = (length: number) => randomBytes(length)
    const client = Connection.client({ kind: 'stream', random, psk, deviceId: randomBytes(6) }, 0)
    const server = Connection.server({ kind: 'stream', random }, 0)
    exchange(client, server, psk)
    for (let round = 0; round < 16; round++) {
      client.rekey(0)
      client.send(Buffer.from(`${round}`), 0)
      expect(exchange(client, server, psk)).toEqual([`${round}`])
      server.send(Buffer.from('answer'), 0)
      expect(exchange(client, server, psk)).toEqual(['answer'])
    }
  })
})
