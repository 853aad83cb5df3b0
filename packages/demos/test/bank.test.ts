import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { describe, expect, onTestFinished, test } from 'vitest'
import { MessageFinder } from '../src/bank/messages-of.js'

const program = fileURLToPath(new URL('../dist/bank/main.js', import.meta.url))

function started(...args: readonly string[]): { child: ChildProcess; text: () => string } {
  const child = spawn(process.execPath, [program, ...args])
  onTestFinished(() => void child.kill('SIGKILL'))
  let text = ''
  for (const output of [child.stdout, child.stderr]) output.on('data', (chunk) => (text += chunk))
  return { child, text: () => text }
}

describe('a bank and its customer', () => {
  test('pair by a code and talk; the relay sees sizes and times, and can read nothing', async () => {
    const { child, text } = started('--once')
    const [code] = await once(child, 'close')
    expect(code, text()).toBe(0)
    expect(text()).toMatch(/types it: [a-z]+-[a-z]+-[a-z]+-[a-z]+\n/)
    const [pairing, withoutCover, withCover] = text().split(/^With(?:out)? cover/m) as [string, string, string]
    expect(pairing).toContain('messages of 53, 37, ')
    for (const part of [withoutCover, withCover]) {
      const read = [...part.matchAll(/^(customer|bank): (.*?) +│/gm)].map(([, who, words]) => `${who}: ${words}`)
      expect(read).toEqual([
        'customer: Good morning. What is my balance?',
        'bank: Good morning. 1,204.50 euro.',
        'customer: Please pay 10 euro to the baker.',
        'bank: Done: 10 euro to the baker.',
      ])
    }
    expect(withoutCover).toMatch(/│ \d\d:\d\d:\d\d\.\d nothing$/m)
    expect(withCover).toMatch(/→ 492/)
    expect(text()).toMatch(/\d+ messages have passed the relay\. It could read 0 of what was said\.\n$/)
  })

  test('go on until Ctrl-C', async () => {
    const { child, text } = started()
    while (!/With cover[\s\S]*customer:/.test(text())) await once(child.stdout!, 'data')
    child.kill('SIGINT')
    const [code] = await once(child, 'close')
    expect(code, text()).toBe(0)
    expect(text()).toContain('It could read 0 of what was said.')
  })
})

describe('messages in the bytes of a WebSocket', () => {
  const mask = [0x0a, 0x0b, 0x0c, 0x0d]
  const masked = (payload: number[]) => payload.map((byte, index) => byte ^ mask[index % 4]!)
  const long = Array.from({ length: 492 }, (_, index) => index & 0xff)
  const bytes = Buffer.from([
    ...Buffer.from('GET /relay HTTP/1.1\r\nHost: x\r\n\r\n'),
    ...[0x82, 0x83, ...mask, ...masked([1, 2, 3])],
    ...[0x89, 0x80, ...mask], // a ping
    ...[0x82, 0xfe, 0x01, 0xec, ...mask, ...masked(long)],
    ...[0x82, 0x01, 0x02],
  ])

  test.each([1, 2, 7, 100, bytes.length])('in chunks of %d bytes', (size) => {
    const found: number[][] = []
    const finder = new MessageFinder((message) => found.push([...message]))
    for (let at = 0; at < bytes.length; at += size) finder.push(bytes.subarray(at, at + size))
    expect(found).toEqual([[1, 2, 3], long, [2]])
  })
})
