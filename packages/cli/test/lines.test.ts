import { MAX_MESSAGE } from '@usmp/core'
import { expect, test } from 'vitest'
import { readLines } from '../src/lines.js'

async function* chunks(...texts: readonly (string | Uint8Array)[]): AsyncGenerator<Uint8Array> {
  for (const text of texts) yield Buffer.from(text)
}

async function linesOf(...texts: readonly (string | Uint8Array)[]): Promise<(string | number)[]> {
  const lines: (string | number)[] = []
  for await (const { bytes, length } of readLines(chunks(...texts))) lines.push(bytes ? String(bytes) : length)
  return lines
}

const BOM = '\uFEFF'
const full = 'x'.repeat(MAX_MESSAGE)

test.each([
  ['the line ends of Windows', ['one\r\ntwo\r\n'], ['one', 'two']],
  ['CR and LF in two chunks', ['one\r', '\ntwo'], ['one', 'two']],
  ['an empty line', ['\r\n'], ['']],
  ['a CR inside a line', ['a\rb\n'], ['a\rb']],
  ['a BOM', [`${BOM}one\ntwo\n`], ['one', 'two']],
  ['a BOM in pieces', [Uint8Array.of(0xef), Uint8Array.of(0xbb, 0xbf, 0x61), '\n'], ['a']],
  ['a BOM later on', [`one\n${BOM}two\n`], ['one', `${BOM}two`]],
  ['the longest line, with BOM and CR', [`${BOM}${full}\r\n`], [full]],
  ['one byte more', [`${full}y\r\n`], [MAX_MESSAGE + 1]],
])('CR and BOM are no part of a message: %s', async (_, texts, lines) => {
  expect(await linesOf(...texts)).toEqual(lines)
})
