import { randomBytes } from 'node:crypto'
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { discover } from '@usmp/discovery'
import { buildC, cFolder } from '@usmp/testing/c-programs'
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { identity, machine } from '../matrix/board.mjs'
import { buildImage } from '../src/chip.js'
import { Program } from '../src/program.js'

// Two devices and no gateway, where one or both are an emulated rv32imc chip with a network card and lwIP.

const ids = ['02:c0:ff:ee:00:01', '02:c0:ff:ee:00:02'] as const
const key = randomBytes(32)
const folder = mkdtempSync(join(tmpdir(), 'usmp-pair-'))
const pskFile = join(folder, 'psk')
const running: Program[] = []
let image: string

beforeAll(() => {
  writeFileSync(pskFile, key.toString('hex'), { mode: 0o600 })
  buildC('usmp-pair')
  image = buildImage('pair.sh')
}, 600_000)
afterEach(() => Promise.all(running.splice(0).map((program) => program.stop())))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

interface Place {
  readonly ip: string
  /** QEMU's network, as `user` or `socket,listen=…`. */
  readonly network: string
  readonly queryPort: number
  readonly port?: number
  /** Asked besides everybody. */
  readonly host?: string
}

/** Switches one of the two on: device 0 accepts, device 1 searches. */
function powerOn(device: 0 | 1, { ip, network, queryPort, port = 9000, host }: Place): Program {
  const file = join(folder, `identity-${device}-${running.length}`)
  writeFileSync(file, identity(ids[device], key), { mode: 0o600 })
  const words = [ids[1 - device]!, ip, 24, queryPort, port, ...(host ? [host] : [])].map((word) => `arg=${word}`)
  const said = `enable=on,target=native,chardev=words,${words.join(',')}`
  const card = `virtio-net-device,netdev=net,mac=52:54:00:00:00:0${device + 1}`
  const net = ['-netdev', `${network},id=net`, '-device', card, '-global', 'virtio-mmio.force-legacy=false']
  const lines = ['-serial', 'null', '-chardev', 'stdio,id=words,signal=off', '-semihosting-config', said]
  const program = new Program('qemu-system-riscv32', [...machine(image, file), ...net, ...lines])
  running.push(program)
  return program
}

function startHost(device: 0 | 1, queryPort: number, ...more: readonly string[]): Program {
  const args = ['--id', ids[device], '--peer', ids[1 - device]!, '--psk-file', pskFile, '--query-port', `${queryPort}`]
  const program = new Program(join(cFolder, 'usmp-pair'), [...args, ...more])
  running.push(program)
  return program
}

async function freePort(kind: 'tcp' | 'udp'): Promise<number> {
  const socket = kind === 'tcp' ? createServer().listen(0, '127.0.0.1') : createSocket('udp4').bind(0)
  await once(socket, 'listening')
  const { port } = socket.address() as { port: number }
  socket.close()
  return port
}

test('two chips on one wire find each other by the query to everybody, and again after one was without power', async () => {
  const wire = await freePort('tcp')
  const accepts = powerOn(0, { ip: '10.77.0.1', network: `socket,listen=127.0.0.1:${wire}`, queryPort: 9001 })
  await accepts.says('accepting')
  const plugged = { ip: '10.77.0.2', network: `socket,connect=127.0.0.1:${wire}`, queryPort: 9001 }
  const first = powerOn(1, plugged)
  expect(await first.says('trying')).toBe('10.77.0.1:9000')
  expect(await first.says('message')).toMatch(/^hello \d+ from rv32$/)
  expect(await accepts.says('message')).toMatch(/^hello \d+ from rv32$/)
  await first.vanish()
  expect(await accepts.says('lost')).toBe('IDLE_TIMEOUT')
  const second = powerOn(1, plugged)
  await accepts.says('message')
  await second.says('message')
})

test('a chip finds a program of this machine', async () => {
  const queryPort = await freePort('udp')
  const host = startHost(0, queryPort)
  await host.says('accepting')
  // QEMU's own network has no broadcasts to this machine, which is 10.0.2.2 there.
  const chip = powerOn(1, { ip: '10.0.2.15', network: 'user', queryPort, host: '10.0.2.2' })
  expect(await chip.says('message')).toMatch(/^hello \d+ from a host$/)
  expect(await host.says('message')).toMatch(/^hello \d+ from rv32$/)
})

test('a program of this machine finds a chip, and so does `discover`', async () => {
  const [queryPort, port] = [await freePort('udp'), await freePort('udp')]
  const ways = [queryPort, port].map((way) => `hostfwd=udp:127.0.0.1:${way}-10.0.2.15:${way}`)
  const chip = powerOn(0, { ip: '10.0.2.15', network: ['user', ...ways].join(','), queryPort, port })
  await chip.says('accepting')
  const place = { interfaces: ['none'], hosts: ['127.0.0.1'], port: queryPort, mdns: false }
  for await (const found of discover({ ...place, roles: ['device'], timeout: 0 })) {
    expect(found).toMatchObject({ role: 'device', carriers: [{ kind: 'udp', port }] })
    expect(found).not.toHaveProperty('deviceId')
    break
  }
  const host = startHost(1, queryPort, '--host', '127.0.0.1')
  expect(await host.says('message')).toMatch(/^hello \d+ from rv32$/)
  expect(await chip.says('message')).toMatch(/^hello \d+ from a host$/)
})
