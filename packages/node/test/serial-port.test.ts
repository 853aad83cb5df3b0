import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createRequire } from 'node:module'
import { setTimeout } from 'node:timers/promises'
import { type Session, toHex } from '@usmp/core'
import { codeOf, DEVICE_ID, failureOf, PSK, pattern, until } from '@usmp/testing'
import { Cable } from '@usmp/testing/cable'
import { describe, expect, onTestFinished, test } from 'vitest'
import { connect, sessions } from '../src/connect.ts'
import { serialPort } from '../src/serial-port.ts'
import { startServer } from './network.ts'

const device = { deviceId: DEVICE_ID, psk: PSK }

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

/** A pseudo-terminal whose program reads nothing from it, and says hello on it when told to. */
async function pseudoTerminal(): Promise<{ path: string; terminal: ChildProcess }> {
  const program = [
    'import os, pty, sys, tty',
    'near, far = pty.openpty()',
    'tty.setraw(far)',
    'print(os.ttyname(far), flush=True)',
    'sys.stdin.readline()',
    'os.write(near, b"hello")',
    'sys.stdin.readline()',
  ]
  const terminal = spawn('python3', ['-c', program.join('\n')], { stdio: ['pipe', 'pipe', 'inherit'] })
  onTestFinished(() => void terminal.kill('SIGKILL'))
  const [line] = await once(terminal.stdout!, 'data')
  return { path: String(line).trim(), terminal }
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
    timeout: 240_000,
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

  test('bytes are read while the line takes none: two ends with much to send do not wait for each other', async () => {
    const { path, terminal } = await pseudoTerminal()
    const port = await serialPort(path).open()
    onTestFinished(() => void port.destroy())
    const heard = once(port, 'data')
    // More than the terminal holds, and its program does not read.
    port.write(Buffer.alloc(100_000))
    await setTimeout(200)
    expect(port.writableLength).toBeGreaterThan(0)
    terminal.stdin!.write('speak\n')
    expect(String((await heard)[0])).toBe('hello')
  })

  test('a port that is not there, and addresses that are none', async () => {
    const missing = await failureOf(connect('serial:///dev/no-such-port', device))
    expect([missing.code, missing.message]).toEqual(['UNREACHABLE', expect.stringContaining('/dev/no-such-port')])
    for (const url of ['serial:', 'serial://host/path', 'serial:///dev/x?baud=fast', 'serial:///dev/x?baud=0']) {
      expect(await codeOf(connect(url, device)), url).toBe('INVALID_ARGUMENT')
    }
    const stray = await failureOf(connect('serial:///dev/tty%', device))
    expect([stray.code, stray.hint]).toEqual(['INVALID_ARGUMENT', expect.stringContaining('%25')])
    expect(await codeOf(connect('serial:///dev/x', { ...device, signal: AbortSignal.abort() }))).toBe('ABORTED')
  })

  test.each([
    ['serial:///dev/x?baud=9600', ''],
    ['serial:///dev/x?baudrate=9600', ''],
    ['serial:///dev/x?baudRate=9600&rtscts=true&dtr=false', ''],
    ['serial:///dev/x?speed=9600', 'has no option speed; it has baudRate, rtscts, dtr, rts'],
    ['serial:///dev/x?rtsct=true', 'did you mean rtscts?'],
    ['serial:///dev/x?rtscts=yes', 'rtscts must be true or false, not the text "yes"'],
    ['serial:///dev/x?rtscts=true&rts=false', 'rts cannot be set together with rtscts'],
  ])('%s: no parameter is ignored', async (url, fault) => {
    const failure = await failureOf(connect(url, device))
    expect(failure.code).toBe(fault ? 'INVALID_ARGUMENT' : 'UNREACHABLE')
    expect(failure.message).toContain(fault || 'No such file')
  })

  test('flow control, speed and control lines reach the port', async () => {
    const cable = await Cable.plugged()
    const flags = [
      'import os, sys, termios',
      'port = os.open(sys.argv[1], os.O_RDWR | os.O_NOCTTY)',
      'settings = termios.tcgetattr(port)',
      'print(bool(settings[2] & termios.CRTSCTS), settings[4] == termios.B57600)',
    ].join('\n')
    const settings = () => execFileSync('python3', ['-c', flags, cable.near], { encoding: 'utf8' }).trim()
    for (const rtscts of [true, false]) {
      const port = await serialPort(cable.near, { baudRate: 57_600, rtscts }).open()
      expect(settings()).toBe(rtscts ? 'True True' : 'False True')
      port.destroy()
      await once(port, 'close')
    }
    // A pseudo-terminal has no such lines, and says so.
    const failure = await failureOf(serialPort(cable.near, { dtr: false }).open() as never)
    expect([failure.code, failure.message]).toEqual([
      'UNREACHABLE',
      expect.stringContaining('DTR and RTS cannot be set'),
    ])
  })

  test('a server on a serial line alone keeps its process alive, without the port and when it is unplugged', {
    timeout: 240_000,
  }, async () => {
    const cable = await Cable.plugged()
    await cable.unplug()
    const program = [
      `import { listen, serialPort } from ${JSON.stringify(new URL('../dist/index.js', import.meta.url).href)}`,
      `const port = serialPort(${JSON.stringify(cable.far)})`,
      `const open = () => (console.log('attempt'), port.open())`,
      `const server = await listen({ serial: { name: port.name, open }, psk: () => Buffer.from('${toHex(PSK)}', 'hex') })`,
      `server.addEventListener('warning', () => console.log('warning'))`,
      `server.addEventListener('session', () => console.log('session'))`,
      `process.on('SIGUSR2', () => server.close())`,
      'for await (const session of server);',
      `console.log('closed')`,
    ]
    const gateway = spawn(process.execPath, ['--input-type=module', '-e', program.join('\n')], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    onTestFinished(() => void gateway.kill('SIGKILL'))
    let said = ''
    gateway.stdout!.on('data', (text) => (said += text))
    const count = (word: string) => said.split(word).length - 1
    for (const round of [1, 2]) {
      const before = count('attempt')
      await until(() => count('attempt') >= before + 2, 'the gateway tries again', 20_000)
      expect(count('warning'), 'one for each time that the port was gone').toBe(round)
      await cable.plug()
      const stop = new AbortController()
      for await (const session of sessions(`serial://${cable.near}`, {
        ...device,
        handshakeTimeout: 1_000,
        signal: stop.signal,
      })) {
        await session.ping()
        stop.abort()
      }
      expect(count('session')).toBe(round)
      await cable.unplug()
    }
    gateway.kill('SIGUSR2')
    expect(await once(gateway, 'exit')).toEqual([0, null])
    expect(said).toContain('closed')
  })

  test('the package as it is published finds serialport', async () => {
    for (const built of [await import('../dist/index.js'), createRequire(import.meta.url)('../dist/index.cjs')]) {
      await expect(built.connect('serial:///dev/no-such-port', device)).rejects.toMatchObject({ code: 'UNREACHABLE' })
    }
  })
})
