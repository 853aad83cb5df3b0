import { once } from 'node:events'
import { connect as connectSocket } from 'node:net'
import { connect } from '@usmp/node'
import { describe, expect, onTestFinished, test } from 'vitest'
import { printable, printableBytes, printableJson } from '../src/printable.js'
import { DEVICE, done, file, KEY, keyFile, Run, serving, usmp } from './usmp.js'

/** What terminals obey beside the escape character: CSI in one character, direction controls, a line separator. */
const CSI = '\u009b'
const RIGHT_TO_LEFT = '\u202e'
const UNSAFE = /[^\P{Cc}\t\n]|\p{Bidi_Control}|[\u2028\u2029]/u

const onTerminal = ['--import', 'data:text/javascript,process.stdout.isTTY=true']

describe('what a terminal would obey', () => {
  test.each([
    ['\x1b[31m', '\\x1b[31m'],
    [`a${CSI}31m`, 'a\\x9b31m'],
    ['two\nlines\r', 'two\\x0alines\\x0d'],
    ['\x7f\u0085', '\\x7f\\x85'],
    [`${RIGHT_TO_LEFT}\u2066\u200f\u061c`, '\\u202e\\u2066\\u200f\\u061c'],
    ['\u2028', '\\u2028'],
    ['tab\tgrüße 😀 مرحبا', 'tab\tgrüße 😀 مرحبا'],
  ])('%j is shown, not done', (text, shown) => {
    expect(printable(text)).toBe(shown)
    expect(printableBytes(Buffer.from(text))).toBe(shown)
    expect(printableJson({ text })).not.toMatch(UNSAFE)
    expect(JSON.parse(printableJson({ text }))).toEqual({ text })
  })

  test('bytes that are no UTF-8 are shown as such', () => {
    expect(printableBytes(Uint8Array.of(0x61, 0x9b, 0x33, 0xff, 0x1b))).toBe('a\\x9b3\\xff\\x1b')
  })
})

/** Asks for a WebSocket as a page of this origin, which may have any byte in it. */
async function visit(address: string, origin: string): Promise<void> {
  const [host, port] = address.split(':')
  const socket = connectSocket(Number(port), host)
  onTestFinished(() => void socket.destroy())
  await once(socket, 'connect')
  const headers = ['Host: x', 'Connection: Upgrade', 'Upgrade: websocket', 'Sec-WebSocket-Version: 13']
  const key = 'Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA=='
  socket.write(
    Buffer.from(`GET / HTTP/1.1\r\n${[...headers, key, `Origin: ${origin}`].join('\r\n')}\r\n\r\n`, 'latin1'),
  )
}

describe('terminal escapes of a stranger do not reach the terminal', () => {
  test.each([[[]], [['--json']]])('by the Origin of a page, serve %j', async (args) => {
    const server = new Run(['serve', '--ws', '127.0.0.1:0', '--psk-file', await keyFile(), ...args])
    const [, address] = await server.says('stderr', /ws:\/\/([\d.]+:\d+)/)
    await visit(address!, `https://${CSI}31m.example`)
    await server.says('stderr', /ORIGIN_REFUSED/)
    expect(server.stderr).toMatch(/\\x9b31m\.example|\\u009b31m\.example/)
    expect(server.stderr).not.toMatch(UNSAFE)
  })

  test('by messages, in --json and behind a device id', async () => {
    const text = `20${CSI}31m${RIGHT_TO_LEFT}\u2028\x1b]0;owned\x07`
    const table = await file(JSON.stringify({ [DEVICE]: KEY }))
    for (const args of [['--json'], []]) {
      const server = await serving('--psk-table', table, ...args)
      const session = await connect(`usmp://${server.address}`, { deviceId: DEVICE, psk: Buffer.from(KEY, 'hex') })
      await session.send(text)
      await session.close()
      await server.says('stderr', /by the peer/)
      expect(server.stdout + server.stderr).not.toMatch(UNSAFE)
      expect(server.stdout).toMatch(/20\\x9b31m\\u202e\\u2028\\x1b\]0;owned\\x07|20\\u009b31m\\u202e\\u2028\\u001b/)
      if (args.length > 0) expect(server.objects()[0]).toMatchObject({ text })
    }
  })

  test('by messages, connect on a terminal; a pipe gets them as they are', async () => {
    const server = await serving('--psk-file', await keyFile(), '--echo')
    const text = `${CSI}31m${RIGHT_TO_LEFT}`
    const args = ['connect', '--tcp', server.address, '--id', DEVICE, '--psk-file', await keyFile(), '-1']
    const shown = new Run(args, onTerminal).end(`${text}\n`)
    expect(await shown.exit()).toBe(0)
    expect(shown.stdout).toBe('\\x9b31m\\u202e\n')
    const piped = usmp(...args).end(`${text}\n`)
    expect(await piped.exit()).toBe(0)
    expect(piped.stdout).toBe(`${text}\n`)
  })

  test('by a program under test, vectors check', async () => {
    const answer = JSON.stringify({ unsupported: `no ${CSI}31m\nERROR` })
    const program = await file(
      `require('readline').createInterface({ input: process.stdin }).on('line', () => console.log(${JSON.stringify(answer)}))`,
      'program.cjs',
    )
    const run = await done('vectors', 'check', '--topic', 'crc16', '--exec', `${process.execPath} ${program}`)
    expect(run.stderr).toContain('no \\x9b31m\\x0aERROR')
    expect(run.stdout + run.stderr).not.toMatch(UNSAFE)
  })

  test('by an argument', async () => {
    const run = await done('connect', '--tcp', `h${CSI}:x`, '--id', DEVICE, '--psk-file', 'x')
    expect(run.code).toBe(2)
    expect(run.stderr).not.toMatch(UNSAFE)
  })
})
