import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, existsSync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import type { Session } from '@usmp/core'
import { describe, expect, onTestFinished, test } from 'vitest'
import { connect, sessions } from '../src/connect.ts'
import { serialPort } from '../src/serial-port.ts'
import { codeOf, DEVICE_ID, failureOf, PSK, pattern, until } from './helpers.ts'
import { startServer } from './network.ts'

const device = { deviceId: DEVICE_ID, psk: PSK }

/** A cable between two pseudo-terminals that can be unplugged and plugged in again. */
class Cable {
  readonly #folder = mkdtempSync(join(tmpdir(), 'usmp-tty-'))
  readonly near = join(this.#folder, 'near')
  readonly far = join(this.#folder, 'far')
  #socat: ChildProcess | undefined
  /** Held open, or socat would take a port that is closed for the end of the cable. */
  #held: number[] = []

  static async plugged(): Promise<Cable> {
    const cable = new Cable()
    onTestFinished(async () => {
      await cable.unplug()
      rmSync(cable.#folder, { recursive: true })
    })
    await cable.plug()
    return cable
  }

  async plug(): Promise<void> {
    const end = (path: string) => `pty,raw,echo=0,link=${path}`
    this.#socat = spawn('socat', [end(this.near), end(this.far)], { stdio: 'inherit' })
    await until(() => existsSync(this.near) && existsSync(this.far))
    this.#held = [this.near, this.far].map((path) => openSync(path, 'r+'))
  }

  async unplug(): Promise<void> {
    for (const file of this.#held.splice(0)) closeSync(file)
    if (!this.#socat || this.#socat.exitCode !== null || this.#socat.signalCode !== null) return
    this.#socat.kill('SIGKILL')
    await once(this.#socat, 'exit')
    for (const path of [this.near, this.far]) rmSync(path, { force: true })
  }

  /** Puts bytes on the line, towards the far end. */
  noise(text: string): void {
    writeSync(this.#held[0]!, text)
  }
}

/** A gateway on a line that sends back what it gets; it is closed when the test is over. */
async function gateway(path: string) {
  const watched = await startServer({ tcp: undefined as never, serial: serialPort(path) })
  void (async () => {
    for await (const session of watched.server) {
      void (async () => {
        for await (const message of session) await session.send(message)
      })().catch(() => {})
    }
  })()
  return watched
}

async function connectTo(cable: Cable): Promise<Session> {
  const session = await connect(`serial://${cable.near}`, device)
  onTestFinished(() => session.close())
  return session
}

describe('serial ports', () => {
  test('sessions one after the other, with noise before and between', async () => {
    const cable = await Cable.plugged()
    cable.noise('ets Jul 29 2019 12:21:46\r\nrst:0x1 (POWERON_RESET),boot:0x13\r\n')
    const { ended } = await gateway(cable.far)
    for (let round = 0; round < 2; round++) {
      const session = await connect(`serial://${cable.near}?baud=921600`, device)
      expect(session.address).toBe(cable.near)
      for (const size of [0, 1, 452, 453, 1808]) {
        await session.send(pattern(size))
        cable.noise('I (4242) wifi: a line of a log\r\n')
        expect(await session.receive()).toEqual(pattern(size))
      }
      await session.close()
      await until(() => ended.length === round + 1)
      expect((await ended[round]!.closed).code).toBe('CLOSED')
    }
  })

  test('unplugged in the middle of a frame, plugged in again: sessions() comes back, and the gateway too', {
    timeout: 40_000,
  }, async () => {
    const cable = await Cable.plugged()
    const { ended, warnings } = await gateway(cable.far)
    const stop = new AbortController()
    const ends: string[] = []
    // A HELLO that comes before the gateway has its port again is lost: then it is the timeout that goes on.
    const options = { ...device, handshakeTimeout: 1_000, signal: stop.signal }
    for await (const session of sessions(`serial://${cable.near}`, options)) {
      await session.send(pattern(1808))
      expect(await session.receive()).toEqual(pattern(1808))
      if (ends.length === 1) stop.abort()
      else {
        while (session.trySend(pattern(1808)));
        await cable.unplug()
        ends.push((await session.closed).code)
        await until(() => ended.length === 1 && warnings.length > 0, 'the gateway notices', 15_000)
        await cable.plug()
      }
    }
    expect(ends).toEqual(['TRANSPORT_FAILED'])
    expect((await ended[0]!.closed).code).toBe('TRANSPORT_FAILED')
    expect(warnings[0]).toContain('cannot be opened')
  })

  test('unplugged while nobody reads: both ends notice', async () => {
    const cable = await Cable.plugged()
    const { server } = await startServer({ tcp: undefined as never, serial: serialPort(cable.far) })
    const client = await connectTo(cable)
    await until(() => server.sessions.length === 1)
    const [atGateway] = server.sessions
    const sending = (async () => {
      for (let sent = 0; ; sent++) {
        const waiting = client.send(pattern(1808))
        if (await Promise.race([waiting.then(() => false), setTimeout(300, true)])) return sent
      }
    })()
    // A gateway that reads nothing takes in what fills its queue and the buffers of the line.
    expect(await sending).toBeGreaterThan(30)
    await cable.unplug()
    expect((await atGateway!.closed).code).toBe('TRANSPORT_FAILED')
    expect((await client.closed).code).toBe('TRANSPORT_FAILED')
  })

  test('a port that is not there, and addresses that are none', async () => {
    const missing = await failureOf(connect('serial:///dev/no-such-port', device))
    expect([missing.code, missing.message]).toEqual(['UNREACHABLE', expect.stringContaining('/dev/no-such-port')])
    for (const url of ['serial:', 'serial://host/path', 'serial:///dev/x?baud=fast', 'serial:///dev/x?baud=0']) {
      expect(await codeOf(connect(url, device)), url).toBe('INVALID_ARGUMENT')
    }
    expect(await codeOf(connect('serial:///dev/x', { ...device, signal: AbortSignal.abort() }))).toBe('ABORTED')
  })

  test('the package as it is published finds serialport', async () => {
    for (const built of [await import('../dist/index.js'), createRequire(import.meta.url)('../dist/index.cjs')]) {
      await expect(built.connect('serial:///dev/no-such-port', device)).rejects.toMatchObject({ code: 'UNREACHABLE' })
    }
  })
})
