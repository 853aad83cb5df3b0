import type { UsmpError } from '@usmp/core'
import { nodeProvider } from '@usmp/node'
import { codeOf, failureOf, SimulatedClock, turns, until } from '@usmp/testing'
import { describe, expect, test } from 'vitest'
import { Identity } from '../../src/identity.ts'
import { hostByCode, joinByCode, type PairByCodeOptions } from '../../src/pair-by-code.ts'
import { CODE_LIFETIME, PairingCode } from '../../src/pairing-code.ts'
import { platformRandom } from '../../src/random.ts'
import { CloseCode } from '../../src/wire.ts'
import { MemoryRelay } from './memory-relay.ts'
import { RELAY } from './pair-of-peers.ts'

const CODE = 'able-about-zoo-zone'
const bank = Identity.generate(platformRandom, nodeProvider)
const customer = Identity.generate(platformRandom, nodeProvider)

type More = Partial<PairByCodeOptions>

function hostAt({ dial }: MemoryRelay, more: More = {}) {
  const clock = more.clock ?? new SimulatedClock()
  const code = PairingCode.parse(CODE, clock)
  return hostByCode({ relay: RELAY, dial, code, identity: bank, name: 'Bank', provider: nodeProvider, clock, ...more })
}

function guestAt({ dial }: MemoryRelay, more: More = {}) {
  const clock = more.clock ?? new SimulatedClock()
  const code = PairingCode.parse(CODE, clock)
  const options = { relay: RELAY, dial, code, identity: customer, name: 'Customer', provider: nodeProvider, clock }
  return joinByCode({ ...options, ...more })
}

describe('pairing by a code', () => {
  test('both learn the identity and the name of the other one, whoever comes first', async () => {
    for (const hostFirst of [true, false]) {
      const relay = new MemoryRelay()
      let waiting = 0
      const onWaiting = () => void waiting++
      const first = hostFirst ? hostAt(relay, { onWaiting }) : guestAt(relay, { onWaiting })
      await until(() => waiting === 1)
      const second = hostFirst ? guestAt(relay) : hostAt(relay)
      const [host, guest] = await Promise.all(hostFirst ? [first, second] : [second, first])
      expect(host).toEqual({ name: 'Customer', publicKey: customer.publicKey })
      expect(guest).toEqual({ name: 'Bank', publicKey: bank.publicKey })
      expect(relay.joins.map(({ side, pairing }) => [side, pairing]).sort()).toEqual([
        [0, true],
        [1, true],
      ])
    }
  })

  test('a wrong password: both say so, and the codes are used up', async () => {
    const relay = new MemoryRelay()
    const clock = new SimulatedClock()
    const code = PairingCode.parse(CODE, clock)
    const outcome = await Promise.all([
      failureOf(hostAt(relay, { code, clock })),
      failureOf(guestAt(relay, { code: PairingCode.parse('able-about-zoo-able', clock), clock })),
    ])
    for (const failure of outcome) {
      expect([failure.code, failure.message]).toEqual(['PAIRING_FAILED', expect.stringContaining('wrong code')])
    }
    const joins = relay.joins.length
    expect(await codeOf(hostAt(relay, { code, clock }))).toBe('PAIRING_FAILED')
    expect(relay.joins.length, 'it does not even ask the relay').toBe(joins)
  })

  test('a relay that is away at first, or restarts while nobody has come, does not use the code up', async () => {
    const relay = new MemoryRelay()
    const clock = new SimulatedClock()
    relay.up = false
    const told: string[] = []
    let waiting = 0
    const host = hostAt(relay, { clock, onRetry: ({ code }) => told.push(code), onWaiting: () => void waiting++ })
    await until(() => told.length === 1)
    relay.up = true
    clock.advance(500)
    await until(() => waiting === 1)
    relay.kill()
    await until(() => told.length === 2)
    relay.up = true
    clock.advance(1_000)
    await until(() => waiting === 2)
    await Promise.all([host, guestAt(relay)])
    expect(told).toEqual(['UNREACHABLE', 'UNREACHABLE'])
  })

  test('nobody comes within ten minutes, whether the relay is there or not', async () => {
    for (const up of [true, false]) {
      const relay = new MemoryRelay()
      relay.up = up
      const clock = new SimulatedClock()
      let failure: UsmpError | undefined
      void failureOf(hostAt(relay, { clock })).then((reason) => {
        failure = reason
      })
      for (let passed = 0; passed < CODE_LIFETIME; passed += 1_000) {
        await turns(2)
        expect(failure).toBeUndefined()
        clock.advance(1_000)
      }
      await until(() => failure !== undefined)
      expect([failure!.code, failure!.message]).toEqual(['PAIRING_FAILED', expect.stringContaining('ten minutes')])
      await until(() => relay.sockets.size === 0)
      expect(clock.pending).toBe(0)
    }
  })

  test('a second guest: the code is used up before anybody has tried it', async () => {
    const relay = new MemoryRelay()
    const clock = new SimulatedClock()
    const code = PairingCode.parse(CODE, clock)
    relay.refusal = [CloseCode.TAKEN, 'a second guest']
    expect(await codeOf(guestAt(relay, { code, clock }))).toBe('PAIRING_FAILED')
    expect(code.remaining).toBe(0)
  })

  test('a relay that refuses is not asked again, and the code is still good', async () => {
    const relay = new MemoryRelay()
    const clock = new SimulatedClock()
    const code = PairingCode.parse(CODE, clock)
    relay.refusal = [CloseCode.TOKEN, 'no token']
    expect(await codeOf(guestAt(relay, { code, clock }))).toBe('RELAY_REFUSED')
    expect(relay.joins.length).toBe(1)
    expect(code.remaining).toBeGreaterThan(0)
  })

  test('a name that cannot be shown is refused before anybody waits; an abort ends the wait', async () => {
    const relay = new MemoryRelay()
    expect(await codeOf(hostAt(relay, { name: '\u202egnaB' }))).toBe('INVALID_ARGUMENT')
    expect(relay.joins).toEqual([])
    const stop = new AbortController()
    expect(await codeOf(hostAt(relay, { signal: stop.signal, onWaiting: () => stop.abort() }))).toBe('ABORTED')
    relay.up = false
    const late = new AbortController()
    const pausing = codeOf(hostAt(relay, { signal: late.signal, onRetry: () => setImmediate(() => late.abort()) }))
    expect(await pausing).toBe('ABORTED')
    await until(() => relay.sockets.size === 0)
  })
})
