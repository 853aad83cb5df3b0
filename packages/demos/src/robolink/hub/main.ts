// The hub: robots on one side, operators and their page on the other.
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { UsmpError } from '@usmp/core'
import { plainText } from '../../shared/plain-text.js'
import { ExitCode, parseOptions, runProgram } from '../command.js'
import { loadCertificate } from './certificate.js'
import { type Address, Hub, type Log } from './hub.js'
import { defaultStateFolder, loadKeys } from './keys.js'

const PAGE = fileURLToPath(new URL('./page', import.meta.url))
const USAGE = `usage: hub [--state FOLDER] [--tcp HOST:PORT] [--udp HOST:PORT] [--https HOST:PORT] [--serial PATH]
           [--origin ORIGIN]... [--page FOLDER] [--json]
  --state: keys and certificate, made at the first start; default ${defaultStateFolder()}
  --tcp, --udp: robots and operators; default 127.0.0.1:9000
  --https: the page and its WebSocket; default 127.0.0.1:8443
  --serial: a serial port with a robot at its other end
  --origin: where else the page may come from, e.g. https://robots.example`

await runProgram(async (output, stop) => {
  const text = { type: 'string' } as const
  const options = parseOptions(USAGE, {
    state: text,
    tcp: { ...text, default: '127.0.0.1:9000' },
    udp: { ...text, default: '127.0.0.1:9000' },
    https: { ...text, default: '127.0.0.1:8443' },
    serial: text,
    origin: { ...text, multiple: true, default: [] },
    page: { ...text, default: PAGE },
  })
  const [tcp, udp, https] = [parseAddress(options.tcp), parseAddress(options.udp), parseAddress(options.https)]
  if (!existsSync(join(options.page, 'index.html'))) {
    throw new UsmpError('INVALID_ARGUMENT', `there is no page in ${options.page}`, {
      hint: 'Build it: npm start does.',
    })
  }
  const state = options.state ?? defaultStateFolder()
  const keys = await loadKeys(state)
  const certificate = await loadCertificate(state, https.host)
  const log: Log = (event, line, fields) =>
    output.status(plainText(`${clock()} ${line}`), { event, message: line, ...fields })
  const { page, origin: origins, serial } = options
  const hub = await Hub.start({ keys, tcp, udp, https, certificate, page, origins, serial, log })
  const url = `https://${https.host.includes(':') ? `[${https.host}]` : https.host}:${hub.httpsPort}/`
  const fields = { tcp: hub.tcpAddress, udp: hub.udpAddress, page: url, fingerprint: certificate.fingerprint, state }
  log('listening', `listening: tcp ${hub.tcpAddress}, udp ${hub.udpAddress}, page ${url}, state in ${state}`, fields)
  await new Promise<void>((resolve) => stop.signal.addEventListener('abort', () => resolve(), { once: true }))
  await hub.close()
  // To be stopped is how a hub ends.
  return ExitCode.OK
})

function parseAddress(text: string): Address {
  const [, host = '', port = ''] = /^(.+):(\d{1,5})$/.exec(text) ?? []
  if (host && Number(port) <= 65_535) return { host: host.replace(/^\[|\]$/g, ''), port: Number(port) }
  throw new UsmpError('INVALID_ARGUMENT', `${text} is no HOST:PORT`, { hint: USAGE })
}

/** For people who read the log. */
function clock(): string {
  return new Date().toISOString().slice(11, 23)
}
