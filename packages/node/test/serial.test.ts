import { randomBytes } from 'node:crypto'
import { on, once } from 'node:events'
import { connect as connectSocket, createServer, type Server as NetServer, type Socket } from 'node:net'
import { Duplex } from 'node:stream'
import { setTimeout } from 'node:timers/promises'
import { encodeFrame, encodeSerial, Session, type Transport, UsmpError } from '@usmp/core'
import { OTHER_PSK } from '@usmp/testing'
import { afterEach, beforeEach, describe, expect, onTestFinished, test, vi } from 'vitest'
import { duplexTransport, listen, nodeProvider, nodeRandom, type Server, type SessionEvent } from '../src/index.js'
import { shareSerial } from '../src/serial-listener.js'

const deviceId = 'aa:bb:cc:dd:ee:ff'
const psk = new Uint8Array(randomBytes(32))

/** A serial line is two ends that carry bytes; here a socket stands for the wire between them. */
let wire: NetServer
let gatewayEnd: Promise<Socket>
let deviceEnd: Socket
let gateway: Server
const open: Socket[] = []

async function plugIn(): Promise<void> {
  const { port } = wire.address() as { port: number }
  deviceEnd = connectSocket({ host: '127.0.0.1', port })
  deviceEnd.on('error', () => {})
  open.push(deviceEnd)
  await once(deviceEnd, 'connect')
}

beforeEach(async () => {
  wire = createServer().listen(0, '127.0.0.1')
  await once(wire, 'listening')
  const plugged = on(wire, 'connection')
  gateway = await listen({
    serial: {
      name: 'line 1',
      async open() {
        const socket = ((await plugged.next()).value as [Socket])[0]
        open.push(socket)
        gatewayEnd = Promise.resolve(socket)
        return socket
      },
    },
    psk: { [deviceId]: psk },
  })
  await plugIn()
})

afterEach(async () => {
  await gateway.close()
  for (const socket of open.splice(0)) socket.destroy()
  wire.close()
})

/** The device makes a handshake on the line that it has. */
function connectDevice(key = psk, handshakeTimeout = 5000): Promise<Session> {
  return connectOver(duplexTransport(deviceEnd, 'serial', 'uart'), key, handshakeTimeout)
}

function connectOver(transport: Transport, key: Uint8Array, handshakeTimeout: number): Promise<Session> {
  return Session.connect(transport, {
    deviceId: Uint8Array.from(deviceId.split(':').map((byte) => Number.parseInt(byte, 16))),
    psk: key,
    random: nodeRandom,
    provider: nodeProvider,
    handshakeTimeout,
  })
}

async function nextSession(): Promise<Session> {
  const [event] = (await once(gateway, 'session')) as [SessionEvent]
  return event.session
}

async function connectBoth(): Promise<[device: Session, atGateway: Session]> {
  const atGateway = nextSession()
  return [await connectDevice(), await atGateway]
}

const bytes = (text: string) => new TextEncoder().encode(text)

describe('a gateway on a serial line', () => {
  test('makes a session with the device, and messages of all sizes go both ways', async () => {
    const [device, atGateway] = await connectBoth()
    expect(atGateway.address).toBe('line 1')
    expect(atGateway.deviceId).toBe(deviceId)
    for (const size of [0, 1, 452, 453, 1808]) {
      await device.send(new Uint8Array(size).fill(size & 0xff))
      expect(await atGateway.receive()).toEqual(new Uint8Array(size).fill(size & 0xff))
      await atGateway.send(new Uint8Array(size))
      expect(await device.receive()).toEqual(new Uint8Array(size))
    }
  })

  test('a boot log before the handshake and noise between frames cost nothing', async () => {
    deviceEnd.write('rst:0x1 (POWERON_RESET),boot:0x13\r\nets Jun  8 2016 00:22:57\r\n'.repeat(20))
    const [device, atGateway] = await connectBoth()
    deviceEnd.write(Uint8Array.of(0, 1, 2, 3, 0, 0, 255, 255))
    deviceEnd.write('I (123) wifi: connected\r\n')
    await device.send('after the noise')
    expect(await atGateway.receive()).toEqual(bytes('after the noise'))
    expect([...atGateway.dropped.keys()]).toContain('BAD_COBS')
  })

  test('a device that was reset makes a new session; the old one ends with REPLACED once the new one is proven', async () => {
    const [, first] = await connectBoth()
    // The device forgets everything and begins again on the same line.
    deviceEnd.removeAllListeners('data')
    const second = nextSession()
    const device = await connectDevice()
    await expect(first.receive()).rejects.toMatchObject({ code: 'REPLACED' })
    await device.send('I am back')
    expect(await (await second).receive()).toEqual(bytes('I am back'))
    expect(gateway.sessions).toEqual([await second])
  })

  test('a HELLO without a proof, or with a wrong one, does not end the session', async () => {
    const [device, atGateway] = await connectBoth()
    const listeners = deviceEnd.listeners('data') as ((chunk: Uint8Array) => void)[]
    await expect(connectDevice(new Uint8Array(randomBytes(32)), 300)).rejects.toMatchObject({
      code: 'HANDSHAKE_TIMEOUT',
    })
    expect(listeners.length).toBeGreaterThan(0)
    expect(atGateway.signal.aborted).toBe(false)
    void device
  })

  test('wrong proofs are told as such, and lock out after the fifth', async () => {
    await gateway.close()
    for (const socket of open.splice(0)) socket.destroy()
    const [near, far] = cable()
    const line = { name: 'line 3', open: async () => far }
    const server = await listen({ serial: line, psk: { [deviceId]: psk }, handshakeTimeout: 800 })
    onTestFinished(() => server.close())
    const codes: string[] = []
    server.addEventListener('refused', ({ error, address }) => codes.push(`${address} ${error.code}`))
    const uart = shareSerial(near, 'uart')
    for (let attempt = 1; attempt <= 6; attempt++) {
      const refusal = expect(connectOver(uart.join(), OTHER_PSK, 900)).rejects.toBeInstanceOf(UsmpError)
      await vi.waitUntil(() => codes.length >= attempt, { timeout: 60_000 })
      await refusal
    }
    expect(codes).toEqual([...new Array(5).fill('line 3 AUTH_FAILED'), 'line 3 LOCKED_OUT'])
  })

  test('a frame that is lost ends the session aloud', async () => {
    const [device, atGateway] = await connectBoth()
    const write = deviceEnd.write.bind(deviceEnd)
    // The next frame never reaches the line.
    deviceEnd.write = (() => {
      deviceEnd.write = write
      return true
    }) as typeof deviceEnd.write
    await device.send('lost')
    await new Promise((resolve) => setImmediate(resolve))
    await device.send('behind it')
    await expect(atGateway.receive()).rejects.toMatchObject({ code: 'SEQ_MISMATCH' })
  })

  test('a line that is unplugged ends its session, and serves again when it is plugged in', async () => {
    const [, atGateway] = await connectBoth()
    deviceEnd.destroy()
    await expect(atGateway.receive()).rejects.toBeInstanceOf(UsmpError)
    await plugIn()
    const [device, again] = await connectBoth()
    await device.send('plugged in')
    expect(await again.receive()).toEqual(bytes('plugged in'))
  })

  test('closing the gateway says BYE on the line and lets go of it', async () => {
    const [device] = await connectBoth()
    await gateway.close()
    expect(await device.receive()).toBeUndefined()
    expect((await gatewayEnd).destroyed).toBe(true)
  })
})

test('a port is being opened when `listen` resolves: a device on the other end may say HELLO right then', async () => {
  let opening = false
  const open = () => {
    opening = true
    return new Promise<Duplex>(() => {})
  }
  const server = await listen({ serial: { name: 'line 5', open }, psk: { [deviceId]: psk } })
  onTestFinished(() => server.close())
  expect(opening).toBe(true)
})

test('a port that cannot be opened is told once for each cause, with it, and again after it was there', async () => {
  const [missing, busy] = [new Error('no such file'), new Error('busy')]
  const attempts: (Error | 'open')[] = [missing, missing, busy, missing, 'open', missing]
  let tried = 0
  const source = {
    name: 'line 4',
    open: async () => {
      const attempt = attempts[Math.min(tried++, attempts.length - 1)]!
      if (attempt !== 'open') throw attempt
      const stream = new Duplex({ read() {}, write: (_chunk, _encoding, done) => done() })
      return stream.destroy()
    },
  }
  const server = await listen({ serial: source, psk: { [deviceId]: psk } })
  onTestFinished(() => server.close())
  const warnings: [string, unknown][] = []
  server.addEventListener('warning', ({ message, cause }) => warnings.push([message, cause]))
  await vi.waitUntil(() => tried === 7, { timeout: 60_000 })
  const told = (cause: Error) => [`the serial port line 4 cannot be opened, trying again: ${cause.message}`, cause]
  expect(warnings).toEqual([missing, busy, missing].map(told))
})

describe('a line that misbehaves', () => {
  /** A line by a stream of the test's own. */
  const lineOf = (stream: Duplex) => ({ name: 'line 2', open: async () => stream })

  /** The loop over a server ends; false after 5 s. */
  async function loopEnds(server: Server): Promise<boolean> {
    const loop = (async () => {
      for await (const _ of server);
      return true
    })()
    return Promise.race([loop, setTimeout(5_000, false, { ref: false })])
  }

  test('a HELLO without a proof does not undo the back pressure of the session', async () => {
    const [near, far] = cable()
    const server = await listen({ serial: lineOf(far), psk: { [deviceId]: psk }, handshakeTimeout: 100 })
    onTestFinished(() => server.close())
    deviceEnd.destroy()
    deviceEnd = near as never
    const device = await connectDevice()
    const id = Uint8Array.from(Buffer.from(deviceId.replaceAll(':', ''), 'hex'))
    near.write(encodeSerial(encodeFrame({ type: 1, seq: 0, payload: Buffer.concat([id, randomBytes(32)]) })))
    let sent = 0
    void (async () => {
      for (;;) {
        await device.send(new Uint8Array(1808))
        sent++
      }
    })().catch(() => {})
    await setTimeout(400)
    const before = sent
    await setTimeout(200)
    expect(before).toBeGreaterThan(30)
    expect(sent).toBe(before)
  })

  test('breaking while it is closed is an end like any other', async () => {
    const stop = new AbortController()
    const line = new Duplex({ read() {}, write: (_chunk, _encoding, done) => done(), final() {} })
    const server = await listen({ serial: lineOf(line), psk: { [deviceId]: psk }, signal: stop.signal })
    await setTimeout(20)
    const ended = loopEnds(server)
    stop.abort()
    await setTimeout(20)
    line.destroy(new Error('EIO'))
    expect(await ended).toBe(true)
    await server.close()
  })

  test('taking no more bytes does not hold up the close without end', async () => {
    const line = new Duplex({ read() {}, write: (_chunk, _encoding, done) => done(), final() {} })
    const server = await listen({ serial: lineOf(line), psk: { [deviceId]: psk } })
    await setTimeout(20)
    const ended = loopEnds(server)
    void server.close()
    expect(await ended).toBe(true)
    expect(line.destroyed).toBe(true)
  })
})

/** Two ends of a cable that hold back the writer while the reader is paused. */
function cable(): [Duplex, Duplex] {
  const ends: Duplex[] = []
  const wakers: (() => void)[] = []
  for (const other of [1, 0]) {
    let taken: (() => void) | undefined
    const wake = () => {
      taken?.()
      taken = undefined
    }
    const end = new Duplex({
      highWaterMark: 4096,
      read: () => wakers[other]?.(),
      write(chunk, _encoding, done) {
        if (ends[other]!.push(chunk)) setImmediate(done)
        else taken = () => setImmediate(done)
      },
    })
    wakers.push(wake)
    ends.push(end)
  }
  return ends as [Duplex, Duplex]
}
