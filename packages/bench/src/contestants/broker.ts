import { once } from 'node:events'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { type AddressInfo, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Mosquitto } from '@usmp/testing/mosquitto'
import { psk } from '../fixtures.js'
import { certificate } from './certificate.js'
import { identity, type MqttKind } from './mqtt-kinds.js'

/** Of a page of memory and of a tick of the processor's clock, as every Linux that Node runs on has them. */
const PAGE = 4096
const TICK = 10_000

/** mosquitto as a process, and what it uses. */
export interface BrokerProcess {
  /** Where devices of each kind reach it. */
  readonly urls: Readonly<Record<MqttKind, string>>
  /** Without TLS. */
  readonly plain: string
  /** Processor time so far, µs. */
  cpu(): number
  /** Memory, bytes. */
  resident(): number
  end(): Promise<void>
}

/** Why a broker cannot be measured here, if so. */
export function brokerIsMissing(): string | undefined {
  if (process.platform !== 'linux') return 'there is no /proc, which tells what the broker uses'
  const folders = [...(process.env.PATH ?? '').split(':'), '/usr/sbin', '/usr/local/sbin']
  return folders.some((folder) => existsSync(join(folder, 'mosquitto'))) ? undefined : 'there is no program `mosquitto`'
}

export async function startBroker(): Promise<BrokerProcess> {
  const folder = mkdtempSync(join(tmpdir(), 'usmp-bench-'))
  const keys = join(folder, 'psk')
  writeFileSync(keys, `${identity}:${Buffer.from(psk).toString('hex')}\n`, { mode: 0o600 })
  const port = await freePort()
  const config = [`listener ${port} 127.0.0.1`, 'psk_hint bench', `psk_file ${keys}`, 'tls_version tlsv1.3']
  const broker = await Mosquitto.start({
    listeners: ['mqtt', 'mqtts'],
    tls: certificate,
    config: config.join('\n'),
  })
  const plain = broker.url()
  const read = (file: string) => readFileSync(`/proc/${broker.pid}/${file}`, 'utf8')
  return {
    urls: { usmp: plain, 'tls-certificate': broker.url('mqtts'), 'tls-psk': `mqtts://127.0.0.1:${port}` },
    plain,
    cpu() {
      // The name in parentheses may hold spaces; user and system time are the 14th and 15th field.
      const fields = read('stat')
        .replace(/^.*\) /s, '')
        .split(' ')
      return (Number(fields[11]) + Number(fields[12])) * TICK
    },
    resident: () => Number(read('statm').split(' ')[1]) * PAGE,
    async end() {
      await broker.stop()
      rmSync(folder, { recursive: true })
    },
  }
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  return port
}
