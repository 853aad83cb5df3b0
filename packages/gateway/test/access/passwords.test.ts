import { describe, expect, it } from 'vitest'
import { Passwords } from '../../src/access/passwords.js'

describe('passwords', () => {
  it('are kept by scrypt with 128 MiB, and a salt of their own', async () => {
    const passwords = new Passwords()
    const [one, two] = [await passwords.hash('correct horse'), await passwords.hash('correct horse')]
    expect(one).toMatch(/^scrypt\$17\$8\$1\$[\w-]{22}\$[\w-]{43}$/)
    expect(two.split('$')[4]).not.toBe(one.split('$')[4])
    expect(await passwords.verify('correct horse', one)).toBe(true)
    expect(await passwords.verify('correct horsf', one)).toBe(false)
  })

  it('can be checked after the cost was raised', async () => {
    const old = await new Passwords(4).hash('correct horse')
    expect(await new Passwords(5).verify('correct horse', old)).toBe(true)
  })

  it('are the same however a system types their characters', async () => {
    const passwords = new Passwords(4)
    expect(await passwords.verify('Ame\u0301lie 1234', await passwords.hash('Am\u00e9lie 1234'))).toBe(true)
  })

  it('of unknown users are wrong, after the same work', async () => {
    const passwords = new Passwords(4)
    const ends: string[] = []
    await Promise.all([
      passwords.verify('x', null).then((right) => ends.push(`unknown ${right}`)),
      passwords.hash('x').then(() => ends.push('next')),
    ])
    // One at a time: had there been nothing to do for the unknown one, it would not have taken a turn.
    expect(ends).toEqual(['unknown false', 'next'])
  })

  it('wait for their turn, and only so many of them', async () => {
    const passwords = new Passwords(10)
    const results = await Promise.allSettled(Array.from({ length: 40 }, () => passwords.hash('correct horse')))
    const refused = results.filter((result) => result.status === 'rejected')
    expect(refused).toHaveLength(24)
    expect(refused[0]!.reason).toMatchObject({ code: 'TOO_MANY', retryAfter: 5 })
    expect(await passwords.hash('correct horse')).toBeTruthy()
  })
})
