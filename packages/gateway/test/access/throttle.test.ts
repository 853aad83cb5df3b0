import { SimulatedClock } from '@usmp/testing'
import { describe, expect, it } from 'vitest'
import { LoginThrottle } from '../../src/access/throttle.js'

const MINUTE = 60_000

function setUp() {
  const clock = new SimulatedClock()
  const throttle = new LoginThrottle(() => clock.now())
  /** Seconds to wait, or 0 if the attempt was let through. */
  const fail = (account: string, address: string): number => {
    try {
      throttle.begin(account, address)
      return 0
    } catch (error) {
      expect(error).toMatchObject({ code: 'TOO_MANY' })
      return (error as { retryAfter: number }).retryAfter
    }
  }
  return { clock, throttle, fail }
}

/** How long the pauses are, one after the other, for who tries again as soon as that is allowed. */
function pauses(count: number, attempt: (n: number) => number, clock: SimulatedClock): number[] {
  const found: number[] = []
  for (let n = 0; n < count; n++) {
    const wait = attempt(n)
    if (wait === 0) continue
    found.push(wait)
    clock.advance(wait * 1000)
    expect(attempt(n)).toBe(0)
  }
  return found
}

describe('the throttle of logins', () => {
  it('pauses for an account after 5 failures from anywhere, longer each time, up to a minute', () => {
    const { clock, fail } = setUp()
    expect(pauses(14, (n) => fail('anna', `10.0.0.${n}`), clock)).toEqual([1, 2, 4, 8, 16, 32, 60, 60, 60])
  })

  it('pauses for an address after 10 failures on any accounts, up to a quarter of an hour', () => {
    const { clock, fail } = setUp()
    expect(pauses(23, (n) => fail(`user${n}`, '10.0.0.1'), clock)).toEqual([
      1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900, 900,
    ])
    expect(fail('user0', '10.0.0.2')).toBe(0)
  })

  it('takes all of an IPv6 network as one address', () => {
    const { fail } = setUp()
    for (let n = 0; n < 10; n++) expect(fail(`user${n}`, `2001:db8:1:2::${n}`)).toBe(0)
    expect(fail('other', '2001:db8:1:2:ffff::1')).toBe(1)
    expect(fail('other', '2001:db8:1:3::1')).toBe(0)
  })

  it('counts who is logged in apart, so that strangers cannot hold them up, and slows them down too', () => {
    const { throttle, fail } = setUp()
    while (fail('anna', '10.0.0.1') === 0);
    for (let n = 0; n < 5; n++) throttle.beginLoggedIn('anna')
    expect(() => throttle.beginLoggedIn('anna')).toThrow('Too many wrong passwords')
    throttle.beginLoggedIn('otto').succeeded()
  })

  it('lets no more through when all come at once', () => {
    const { fail } = setUp()
    const answers = Array.from({ length: 100 }, () => fail('anna', '10.0.0.1'))
    expect(answers.filter((wait) => wait === 0)).toHaveLength(5)
  })

  it('makes a pause no longer for who knocks during it', () => {
    const { clock, fail } = setUp()
    for (let n = 0; n < 100; n++) fail('anna', '10.0.0.1')
    clock.advance(1000)
    expect(fail('anna', '10.0.0.1')).toBe(0)
  })

  it('forgets the failures of an account when its owner logs in, and all after an hour', () => {
    const { clock, throttle, fail } = setUp()
    for (let n = 0; n < 4; n++) fail('anna', '10.0.0.1')
    throttle.begin('anna', '10.0.0.2').succeeded()
    for (let n = 0; n < 5; n++) expect(fail('anna', '10.0.0.3')).toBe(0)
    expect(fail('anna', '10.0.0.3')).toBe(1)
    clock.advance(60 * MINUTE)
    for (let n = 0; n < 5; n++) expect(fail('anna', '10.0.0.3')).toBe(0)
  })

  it('does not let a user hide guesses at others behind logins of their own', () => {
    const { throttle, fail } = setUp()
    let guesses = 0
    for (let n = 0; n < 50; n++) {
      if (fail(`victim${n}`, '10.0.0.1') === 0) guesses++
      try {
        throttle.begin('mallory', '10.0.0.1').succeeded()
      } catch {
        // The address pauses.
      }
    }
    expect(guesses).toBe(10)
  })
})
