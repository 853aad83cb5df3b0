import { UsmpError } from '@usmp/core'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { sameFacts } from '../src/facts.ts'
import { decodeAnswer, decodeQuery, encodeAnswer, encodeQuery, MAX_ANSWER, QUERY_SIZE } from '../src/query.ts'
import { decodeTxt, encodeTxt, MAX_TXT } from '../src/txt.ts'
import { anyFacts } from './arbitraries.ts'

const bytes = (length: number) => fc.uint8Array({ minLength: length, maxLength: length })

describe('the datagrams', () => {
  test('an answer says what was put into it, and is never longer than the query', () => {
    fc.assert(
      fc.property(bytes(8), anyFacts, (nonce, facts) => {
        const encoded = encodeAnswer({ nonce, ...facts })
        expect(encoded.length).toBeLessThanOrEqual(MAX_ANSWER)
        expect(encoded.length).toBeLessThan(QUERY_SIZE)
        expect(decodeAnswer(encoded)).toEqual({ nonce, ...facts })
      }),
    )
  })

  test('an answer with one byte changed is void, or says exactly these bytes', () => {
    fc.assert(
      fc.property(bytes(8), anyFacts, fc.nat(), fc.integer({ min: 1, max: 255 }), (nonce, facts, at, bits) => {
        const encoded = encodeAnswer({ nonce, ...facts })
        encoded[at % encoded.length]! ^= bits
        const said = decodeAnswer(encoded)
        if (said) expect(encodeAnswer(said)).toEqual(encoded)
      }),
    )
  })

  test('any bytes are no query, or exactly the bytes of one', () => {
    fc.assert(
      fc.property(bytes(QUERY_SIZE), fc.boolean(), (noise, withHead) => {
        if (withHead) noise.set([0x55, 0x53, 0x4d, 0x50, 0x51, 1])
        if (withHead) noise.fill(0, 15)
        const query = decodeQuery(noise)
        if (query) expect(encodeQuery(query)).toEqual(noise)
      }),
    )
  })

  test('what is decoded shares no memory with the datagram', () => {
    const query = encodeQuery({ nonce: new Uint8Array(8).fill(7), roles: ['device'] })
    const { nonce } = decodeQuery(query)!
    query.fill(0xff)
    expect(nonce).toEqual(new Uint8Array(8).fill(7))
  })

  const gateway = { role: 'gateway', instance: '0000', joinOpen: false, carriers: [], site: '', path: '' } as const
  test.each([
    ['a nonce of 7 bytes', { nonce: new Uint8Array(7) }],
    ['a site with a space', { site: 'my home' }],
    ['a path without slash', { path: 'usmp' }],
    ['an instance in upper case', { instance: 'ABCD' }],
    ['port 0', { carriers: [{ kind: 'tcp', port: 0 } as const] }],
    ['a device with a site', { role: 'device', site: 'home' } as const],
  ])('%s is refused', (_, wrong) => {
    expect(() => encodeAnswer({ nonce: new Uint8Array(8), ...gateway, ...wrong })).toThrow(UsmpError)
  })

  test('a query for nobody is refused', () => {
    expect(() => encodeQuery({ nonce: new Uint8Array(8), roles: [] })).toThrow(UsmpError)
  })
})

describe('the TXT record', () => {
  const entries = (...texts: string[]) => texts.map((text) => Buffer.from(text))

  test('says what was put into it, in at most 200 bytes', () => {
    fc.assert(
      fc.property(anyFacts, (facts) => {
        const encoded = encodeTxt(facts)
        expect(encoded.reduce((sum, { length }) => sum + length + 1, 0)).toBeLessThanOrEqual(MAX_TXT)
        const said = decodeTxt(entries(...encoded), 1)
        expect(said).toEqual(facts)
        expect(sameFacts(said!, facts)).toBe(true)
      }),
    )
  })

  test('a kind without port has that of the SRV record; unknown keys and later values are ignored', () => {
    const said = decodeTxt(entries('v=2', 'r=g', 'n=8f3a', 't=tcp,udp:9001', 'x=1', 'flag', 'n=ffff', 's='), 9000)
    expect(said).toMatchObject({
      instance: '8f3a',
      site: '',
      carriers: [
        { kind: 'tcp', port: 9000 },
        { kind: 'udp', port: 9001 },
      ],
    })
  })

  test.each([
    ['another version', ['v=3', 'r=g', 'n=8f3a']],
    ['no role', ['v=2', 'n=8f3a']],
    ['no instance', ['v=2', 'r=g']],
    ['an unknown kind', ['v=2', 'r=g', 'n=8f3a', 't=tcp,smoke']],
    ['a kind twice', ['v=2', 'r=g', 'n=8f3a', 't=tcp:1,tcp:2']],
    ['port 65536', ['v=2', 'r=g', 'n=8f3a', 't=tcp:65536']],
    ['a port with a zero in front', ['v=2', 'r=g', 'n=8f3a', 't=tcp:09']],
    ['an empty list of kinds', ['v=2', 'r=g', 'n=8f3a', 't=']],
    ['a join window that is neither', ['v=2', 'r=g', 'n=8f3a', 'j=2']],
    ['a site with an escape sequence', ['v=2', 'r=g', 'n=8f3a', 's=\x1b[31m']],
    ['more than 200 bytes', ['v=2', 'r=g', 'n=8f3a', `x=${'x'.repeat(200)}`]],
  ])('%s is void', (_, texts) => {
    // A value with a control character says nothing; the site is empty then, so this one is not void.
    const said = decodeTxt(entries(...texts), 9000)
    if (texts.some((text) => text.includes('\x1b'))) expect(said).toMatchObject({ site: '' })
    else expect(said).toBeUndefined()
  })
})
