// A gateway, a device that sends real readings of this machine, and somebody on the network path between them.
// Usage: node main.js [--seconds N] [--device PROGRAM]
import { type ChildProcess, spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { cipherSuiteNames, listen, type Session } from '@usmp/node'
import type { Reading } from './reading.js'
import { addRoundTrip, logLine, panel, type View } from './show.js'
import { startWiretap } from './wiretap.js'

const DEVICE_ID = '02:00:00:00:00:01'
const REDRAW = 100
const PING_INTERVAL = 500

const { values: options } = parseArgs({ options: { seconds: { type: 'string' }, device: { type: 'string' } } })
const psk = randomBytes(32)
const folder = mkdtempSync(join(tmpdir(), 'usmp-'))
const pskFile = join(folder, 'psk')
writeFileSync(pskFile, psk.toString('hex'), { mode: 0o600 })

const server = await listen({ tcp: { host: '127.0.0.1', port: 0 }, psk: (id) => (id === DEVICE_ID ? psk : null) })
server.addEventListener('refused', ({ address, error }) => console.error(`refused ${address}: ${error.message}`))

const view: View = {
  gateway: server.address,
  device: options.device ? 'device in C' : 'device in TypeScript',
  deviceId: DEVICE_ID,
  sessionId: '',
  suite: '',
  readings: 0,
  reading: undefined,
  roundTrips: [],
  lastFrame: undefined,
  frames: 0,
}
const wiretap = await startWiretap(server.port, (frame, fromDevice) => {
  view.frames++
  if (fromDevice || !view.lastFrame) view.lastFrame = { frame, fromDevice }
})
const device = startDevice((wiretap.address() as AddressInfo).port)
const timer = process.stdout.isTTY ? setInterval(redraw, REDRAW) : undefined

const stop = new AbortController()
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => stop.abort())
if (options.seconds) AbortSignal.timeout(Number(options.seconds) * 1000).onabort = () => stop.abort()
stop.signal.onabort = () => void end()

for await (const session of server) void receive(session)

async function receive(session: Session): Promise<void> {
  view.sessionId = session.sessionId
  view.suite = cipherSuiteNames[session.suite]
  void measureRoundTrips(session)
  try {
    for await (const message of session) show(JSON.parse(new TextDecoder().decode(message)))
  } catch (error) {
    console.error(`session ended: ${(error as Error).message}`)
  }
}

async function measureRoundTrips(session: Session): Promise<void> {
  while (!session.signal.aborted) {
    try {
      addRoundTrip(view, await session.ping())
    } catch {
      return // The session has ended; its reader says why.
    }
    await setTimeout(PING_INTERVAL)
  }
}

function show(reading: Reading): void {
  view.reading = reading
  view.readings++
  if (!process.stdout.isTTY) console.log(logLine(view))
}

function redraw(): void {
  // Home, every line cleared to its end, and what is below too: no flicker.
  process.stdout.write(`\x1b[H${panel(view).replaceAll('\n', '\x1b[K\n')}\x1b[K\n\x1b[J`)
}

function startDevice(port: number): ChildProcess {
  const program = options.device ?? process.execPath
  const script = options.device ? [] : [fileURLToPath(new URL('./device.js', import.meta.url))]
  const child = spawn(program, [...script, '127.0.0.1', String(port), DEVICE_ID, pskFile], {
    stdio: ['ignore', 'ignore', 'inherit'],
  })
  child.on('error', (error) => {
    console.error(`the device did not start: ${error.message}`)
    process.exitCode = 1
    stop.abort()
  })
  return child
}

async function end(): Promise<void> {
  clearInterval(timer)
  // The device says BYE first; one that did not start has nothing to say.
  if (device.kill()) await once(device, 'exit')
  await server.close()
  wiretap.close()
  rmSync(folder, { recursive: true })
  console.log(`\n${view.readings} readings decrypted, ${view.frames} frames passed the wire.`)
  if (view.readings === 0) process.exitCode = 1
}
