import { decodeFrame, encodeFrame, PacketType } from '@usmp/core'
import { pattern, SimulatedClock } from '@usmp/testing'
import { describe, expect, test } from 'vitest'
import { AddressValidation, type IpSource } from '../src/address-validation.ts'
import { nodeProvider } from '../src/crypto-node.ts'

const here: IpSource = { address: '192.0.2.1', port: 5_000 }
const hello = (cookie: Uint8Array = new Uint8Array(0)) =>
  encodeFrame({ type: PacketType.HELLO, payload: Uint8Array.of(...pattern(38), ...cookie) })

function start() {
  const clock = new SimulatedClock()
  const validation = new AddressValidation(nodeProvider, pattern(32), () => clock.now())
  const cookieFor = (source: IpSource) => {
    const answers: Uint8Array[] = []
    expect(validation.validateHello(hello(), source, (answer) => answers.push(answer))).toBeUndefined()
    return decodeFrame(answers[1]!).payload
  }
  const codeFor = (datagram: Uint8Array, source: IpSource) => {
    try {
      validation.validateHello(datagram, source, () => {})
      return 'none'
    } catch (error) {
      return (error as { code: string }).code
    }
  }
  return { clock, validation, cookieFor, codeFor }
}

describe('cookies of UDP', () => {
  test('are answered with less than the HELLO had, and let their address and port in', () => {
    const { validation, cookieFor } = start()
    let answered = 0
    validation.validateHello(hello(), here, (answer) => (answered += answer.length))
    expect(answered).toBeLessThan(hello().length)
    expect(validation.validateHello(hello(cookieFor(here)), here, () => {})).toEqual(pattern(6))
  })

  test('are of no use at another address or port', () => {
    const { cookieFor, codeFor } = start()
    const cookie = cookieFor(here)
    expect(codeFor(hello(cookie), { ...here, port: 5_001 })).toBe('BAD_COOKIE')
    expect(codeFor(hello(cookie), { ...here, address: '192.0.2.2' })).toBe('BAD_COOKIE')
    expect(codeFor(hello(pattern(16)), here)).toBe('BAD_COOKIE')
  })

  test('are good for half a minute at least, and a minute at most', () => {
    const { clock, cookieFor, codeFor } = start()
    const cookie = cookieFor(here)
    clock.advance(30_000)
    expect(codeFor(hello(cookie), here)).toBe('none')
    clock.advance(30_000)
    expect(codeFor(hello(cookie), here)).toBe('BAD_COOKIE')
  })

  test('100 at once and 50 a second for one address block, whatever its ports, and as many handshakes', () => {
    const { clock, validation, codeFor } = start()
    const taken = (take: () => boolean) => {
      let count = 0
      while (take()) count++
      return count
    }
    const block = (n: number): IpSource => ({ address: `2001:db8:0:1::${n}`, port: n })
    let n = 0
    expect(taken(() => codeFor(hello(), block(++n)) === 'none')).toBe(100)
    expect(codeFor(hello(), block(1))).toBe('TOO_MANY_CONNECTIONS')
    expect(codeFor(hello(), { address: '2001:db8:0:2::1', port: 1 })).toBe('none')
    clock.advance(1_000)
    expect(taken(() => codeFor(hello(), here) === 'none')).toBe(100)
    expect(taken(() => codeFor(hello(), block(++n)) === 'none')).toBe(50)
    expect(taken(() => validation.mayBegin(block(++n)))).toBe(100)
    expect(validation.mayBegin(here)).toBe(true)
  })
})
