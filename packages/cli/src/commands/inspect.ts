import { readFile } from 'node:fs/promises'
import { buffer } from 'node:stream/consumers'
import { fromHex, packetTypeName, toHex, UsmpError } from '@usmp/core'
import { fileError } from '@usmp/node/key-files'
import { ExitCode } from '../exit-code.js'
import { explain, type Field, type Piece } from '../inspect/explain.js'
import { readSessionKeys } from '../key-files.js'
import { type Fields, type Output, readable } from '../output.js'

/** More bytes of a field are cut off for people. */
const SHOWN_BYTES = 32

export interface InspectOptions {
  readonly keyFile?: string
}

/** Explains the frames of hex digits, of a file, or of stdin. */
export async function inspectCommand(
  input: string | undefined,
  { keyFile }: InspectOptions,
  output: Output,
): Promise<number> {
  const keys = keyFile === undefined ? undefined : await readSessionKeys(keyFile)
  const bytes = await readInput(input)
  if (bytes.length === 0) {
    throw new UsmpError('INVALID_ARGUMENT', 'there are no bytes to explain', {
      hint: 'Give hex digits, the name of a file, or bytes on stdin.',
    })
  }
  let frames = 0
  let faults = 0
  for (const piece of explain(bytes, keys)) {
    if (output.broken.aborted) break
    if (piece.type !== undefined) frames++
    faults += piece.faults.length
    await output.result(asText(piece), asFields(piece))
  }
  output.status(`${count(frames, 'frame')}, ${count(faults, 'fault')}`, { event: 'inspected', frames, faults })
  return faults > 0 ? ExitCode.PROTOCOL : ExitCode.OK
}

async function readInput(input = '-'): Promise<Uint8Array> {
  if (input !== '-' && isHex(input)) return fromHex(input)
  const content = input === '-' ? await buffer(process.stdin) : await readBytes(input)
  const text = content.toString('latin1')
  return isHex(text) ? fromHex(text) : content
}

async function readBytes(path: string): Promise<Buffer> {
  try {
    return await readFile(path)
  } catch (cause) {
    throw fileError('read', path, cause)
  }
}

function isHex(text: string): boolean {
  return /^[0-9a-f\s:]*$/i.test(text)
}

function asText({ offset, size, title, fields, faults, opened }: Piece): string {
  const lines = [`at ${offset}, ${count(size, 'byte')}: ${title}`]
  for (const field of fields) lines.push(fieldLine(field))
  if (opened) lines.push(`  opened with key ${opened.key}: ${plaintextText(opened.plaintext)}`)
  for (const { offset: at, code, message } of faults) lines.push(`  fault at ${at}: ${message} [${code}]`)
  return `${lines.join('\n')}\n`
}

function fieldLine({ offset, name, bytes, meaning }: Field): string {
  const shown = toHex(bytes.subarray(0, SHOWN_BYTES), ' ')
  const rest = bytes.length > SHOWN_BYTES ? ' …' : ''
  const columns = [String(offset).padStart(6), String(bytes.length).padStart(4), name.padEnd(10), meaning.padEnd(42)]
  return `${columns.join('  ')}  ${shown}${rest}`.trimEnd()
}

function plaintextText(plaintext: Uint8Array): string {
  if (plaintext.length === 0) return 'empty'
  const data = readable(plaintext)
  return `${count(plaintext.length, 'byte')}, ${'text' in data ? JSON.stringify(data.text) : data.hex}`
}

function asFields({ offset, size, type, fields, faults, opened }: Piece): Fields {
  return {
    event: type === undefined ? 'surplus' : 'frame',
    offset,
    size,
    ...(type === undefined ? {} : { type: packetTypeName(type), type_code: type }),
    fields: fields.map(({ offset, name, bytes, meaning }) => ({
      offset,
      size: bytes.length,
      name,
      hex: toHex(bytes),
      meaning,
    })),
    ...(opened ? { key: opened.key, plaintext: readable(opened.plaintext) } : {}),
    faults,
  }
}

function count(number: number, noun: string): string {
  return `${number} ${noun}${number === 1 ? '' : 's'}`
}
