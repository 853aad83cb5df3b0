import { createServer } from 'node:http'
import { DEVICE_ID, failureOf, PSK } from '@usmp/testing'
import { describeOptions, faultOf } from '@usmp/testing/option-suite'
import { describe, expect, test } from 'vitest'
import { connect, sessions } from '../src/connect.ts'
import { connectTable, listenTable, serialPortTable, sessionsTable, tcpTable, udpTable } from '../src/options.ts'
import { serialPort } from '../src/serial-port.ts'
import { listen } from '../src/server.ts'
import { connectTcp } from '../src/tcp.ts'
import { connectUdp } from '../src/udp.ts'
import { LOOPBACK, startServer } from './network.ts'

const device = { deviceId: DEVICE_ID, psk: PSK }
const url = 'usmp://no-such-host.invalid'
const place = { host: LOOPBACK, port: 0 }
const http = createServer()

describeOptions([
  { name: 'connect', table: connectTable, good: device, call: (options) => connect(url, options) },
  { name: 'sessions', table: sessionsTable, good: device, call: (options) => sessions(url, options).next() },
  {
    name: 'listen',
    table: listenTable,
    good: { tcp: place, udp: place, websocket: { ...place, tls: { key: 'key', cert: 'cert' } }, psk: () => PSK },
    call: listen,
  },
  { name: 'listen', table: listenTable, good: { websocket: { server: http }, psk: () => PSK }, call: listen },
  { name: 'serialPort', table: serialPortTable, good: {}, call: (options) => serialPort('/dev/null', options) },
  { name: 'connectTcp', table: tcpTable, good: {}, call: (options) => connectTcp('no-such-host.invalid', 1, options) },
  { name: 'connectUdp', table: udpTable, good: {}, call: (options) => connectUdp('no-such-host.invalid', 1, options) },
])

describe('options: what went wrong in silence', () => {
  const listening = (options: object) => () => listen({ tcp: place, psk: () => PSK, ...options } as never)

  test.each([
    [
      'a mistyped host, which listened on all interfaces',
      { tcp: { hots: LOOPBACK } },
      'listen has no option tcp.hots; did you mean tcp.host?',
    ],
    ['a port that is not inside tcp', { port: 9000 }, 'listen has no option port; did you mean tcp.port?'],
    ['one key in place of a table', { psk: PSK }, 'for one key for all devices there is sharedPsk'],
    [
      'a path in place of a serial line',
      { serial: '/dev/ttyUSB0' },
      'serial must be a line to open, as serialPort(path) makes it',
    ],
    [
      'a WebSocket path without a slash (B13)',
      { websocket: { ...place, path: 'usmp' } },
      'websocket.path must be a path as requests have it',
    ],
    ['an empty WebSocket path (B13)', { websocket: { ...place, path: '' } }, 'websocket.path must be'],
    ['a WebSocket path with a query (B13)', { websocket: { ...place, path: '/x?y' } }, 'websocket.path must be'],
    [
      'a WebSocket path that browsers write in another way (B13)',
      { websocket: { ...place, path: '/gerät' } },
      'percent-encoded',
    ],
    [
      'an origin with a slash',
      { websocket: { ...place, origins: ['https://app.example/'] } },
      'websocket.origins must be a list of origins',
    ],
    ['an origin that is a host', { websocket: { ...place, origins: ['app.example'] } }, 'websocket.origins must be'],
    ['any origin', { websocket: { ...place, origins: ['*'] } }, 'websocket.origins must be'],
    [
      'a port beside an HTTP server that has one',
      { websocket: { server: http, port: 1 } },
      'listen has no option websocket.port',
    ],
    [
      'a key in a table with a wrong name in it',
      { psk: { [DEVICE_ID]: { psk: PSK, siute: 2 } } },
      'did you mean suite?',
    ],
  ])('%s', async (_, options, message) => expect(await faultOf(listening(options))).toContain(message))

  test('origins and paths as browsers write them are taken', async () => {
    const origins = [
      'https://app.example',
      'http://localhost:8080',
      'http://[::1]:8080',
      'chrome-extension://abcdef',
      'null',
    ]
    await startServer({ tcp: undefined as never, websocket: { ...place, origins, path: '/ger%C3%A4t//x/' } })
  })

  test('connect without options says what it needs, and not that something of undefined cannot be read', async () => {
    expect(await faultOf(() => connect(url, undefined as never))).toContain('connect needs the option deviceId')
  })

  test('listen without a host is reached from this machine only', async () => {
    const { server } = await startServer({ tcp: { port: 0 }, udp: { port: 0 }, websocket: { port: 0 } })
    expect(server.address).toMatch(/^127\.0\.0\.1:/)
    expect(server.udpAddress).toMatch(/^127\.0\.0\.1:/)
    expect(server.websocketUrl).toMatch(/^ws:\/\/127\.0\.0\.1:/)
  })
})

describe('a key in the wrong place is in no message', () => {
  const key = 'deadbeefcafe0123456789abcdef00112233445566778899aabbccddeeff0011'
  const places: Record<string, () => Promise<unknown>> = {
    'as text in the table': () => listen({ psk: { 'aa:bb:cc:dd:ee:ff': key } } as never),
    'as the id in the table': () => listen({ psk: { [key]: new Uint8Array(32) } } as never),
    'as the device id': () => connect('usmp://127.0.0.1', { deviceId: key, psk: new Uint8Array(32) }),
    'as the name of an option': () => listen({ [key]: true } as never),
    'as the psk': () => connect('usmp://127.0.0.1', { deviceId: 'aa:bb:cc:dd:ee:ff', psk: key } as never),
  }
  test.each(Object.keys(places))('%s', async (place) => {
    const error = await failureOf(places[place]!())
    expect(error.code).toBe('INVALID_ARGUMENT')
    expect(`${error.message} ${error.hint}`).not.toContain(key.slice(0, 8))
  })
})
