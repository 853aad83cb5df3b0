import { DEVICE_ID_BYTES as DEVICE_ID, PSK, pseudoRandom, text } from '@usmp/testing'
import { describe, expect, test } from 'vitest'
import { concatBytes } from '../src/bytes.ts'
import { encodeSerial } from '../src/cobs.ts'
import { type Authorization, Connection } from '../src/connection.ts'
import { PacketType } from '../src/constants.ts'
import { ReliableDatagram } from '../src/datagram.js'
import { encodeFrame, type Frame } from '../src/frame.ts'

const KINDS = ['datagram', 'serial'] as const
type Kind = (typeof KINDS)[number]
const OTHER_DEVICE = Uint8Array.of(2, 0, 0, 0, 0, 1)

/** A server where a wrong proof does not end the handshake, and who tries to get in. */
class Attempt {
  readonly server: Connection
  readonly #kind: Kind
  readonly #random = pseudoRandom(5)
  readonly #answer: Authorization | null
  hellos = 0

  constructor(kind: Kind, answer: Authorization | null = { psk: PSK }) {
    this.#kind = kind
    this.#answer = answer
    this.server = Connection.server({ kind, reliableDatagram: ReliableDatagram, random: pseudoRandom(3) }, 0)
  }

  get reason(): string | undefined {
    return this.server.closedReason?.code
  }

  #receive(frame: Frame, now: number): void {
    const bytes = encodeFrame(frame)
    this.server.receive(this.#kind === 'serial' ? encodeSerial(bytes) : bytes, now)
    while (this.server.pollTransmit());
    for (let event = this.server.pollEvent(); event; event = this.server.pollEvent()) {
      if (event.kind !== 'hello') continue
      this.hellos++
      this.server.authorize(this.#answer, now)
      while (this.server.pollTransmit());
    }
  }

  /** A HELLO with a new key pair. */
  hello(now: number, deviceId = DEVICE_ID): void {
    this.#receive({ version: 2, type: PacketType.HELLO, seq: 0, payload: concatBytes(deviceId, this.#random(32)) }, now)
  }

  /** A proof that is wrong, each time another one. */
  guess(now: number): void {
    const payload = this.#random(32)
    this.#receive({ version: 2, type: PacketType.HELLO_ACK, seq: 2, payload }, now)
  }

  time(now: number): void {
    this.server.handleTimeout(now)
    while (this.server.pollEvent());
  }
}

describe.each(KINDS)('who guesses the key within one handshake, %s', (kind) => {
  test('has five tries, and the fifth is told as AUTH_FAILED at once', () => {
    const attempt = new Attempt(kind)
    attempt.hello(0)
    for (let i = 0; i < 4; i++) attempt.guess(10)
    expect(attempt.reason).toBeUndefined()
    attempt.guess(10)
    expect(attempt.reason).toBe('AUTH_FAILED')
  })

  test('gets no more of them by a new HELLO', () => {
    const attempt = new Attempt(kind)
    for (let i = 0; i < 4; i++) {
      attempt.hello(i)
      attempt.guess(i)
    }
    attempt.hello(5)
    expect(attempt.hellos).toBe(5)
    attempt.guess(5)
    expect(attempt.reason).toBe('AUTH_FAILED')
  })

  test('gets no more time by a new HELLO: ten seconds after the first one it is over', () => {
    const attempt = new Attempt(kind)
    for (let at = 0; at < 10_000; at += 500) attempt.hello(at)
    expect(attempt.hellos).toBe(20)
    attempt.time(9_999)
    expect(attempt.reason).toBeUndefined()
    attempt.time(10_000)
    expect(attempt.reason).toBe('HANDSHAKE_TIMEOUT')
  })

  test('is told by one wrong proof, whatever ends the attempt', () => {
    const ends: [string, (server: Connection) => void][] = [
      ['its deadline', (server) => server.handleTimeout(10_000)],
      ['the end of the transport', (server) => server.receiveEnd()],
      ['its own server', (server) => server.close()],
    ]
    for (const [name, end] of ends) {
      const attempt = new Attempt(kind)
      attempt.hello(0)
      attempt.guess(1)
      // To be let go as somebody who only restarts.
      attempt.hello(2)
      end(attempt.server)
      expect(attempt.reason, name).toBe('AUTH_FAILED')
    }
  })

  test('cannot spread the tries over device ids: an attempt belongs to one', () => {
    const attempt = new Attempt(kind)
    attempt.hello(0)
    attempt.guess(0)
    attempt.hello(0, OTHER_DEVICE)
    expect(attempt.hellos).toBe(1)
    expect(attempt.server.dropped.get('UNEXPECTED_PACKET')).toBe(1)
  })

  test('learns nothing of whether the device is known: an unknown one is told the same way', () => {
    const attempt = new Attempt(kind, null)
    attempt.hello(0)
    for (let i = 0; i < 5; i++) attempt.guess(10)
    expect(attempt.reason).toBe('UNKNOWN_DEVICE')
  })
})

describe('HELLO of a known and of an unknown device', () => {
  test('cost the same: as many calls of the random source, of as many bytes', () => {
    const draws = [{ psk: PSK }, null].map((answer) => {
      const lengths: number[] = []
      const random = (length: number) => {
        lengths.push(length)
        return pseudoRandom(lengths.length)(length)
      }
      const server = Connection.server({ kind: 'stream', random }, 0)
      server.receive(
        encodeFrame({ version: 2, type: PacketType.HELLO, payload: concatBytes(DEVICE_ID, text('x'.repeat(32))) }),
        0,
      )
      server.authorize(answer, 0)
      return lengths
    })
    expect(draws[0]).toEqual(draws[1])
  })
})
