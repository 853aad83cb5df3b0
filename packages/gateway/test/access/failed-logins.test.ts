import { SimulatedClock } from '@usmp/testing'
import { expect, it } from 'vitest'
import { FailedLogins } from '../../src/access/failed-logins.js'
import type { AuditEvent } from '../../src/store/registry.js'
import type { AuditLog } from '../../src/store/store.js'

it('writes 30 failed logins a minute, and then how many it has left out', async () => {
  const clock = new SimulatedClock()
  const written: AuditEvent[] = []
  const append = async (event: AuditEvent) => written.push(event)
  const failed = new FailedLogins({ append } as unknown as AuditLog, () => clock.now())
  for (let n = 0; n < 100; n++) await failed.add(n % 2 ? 'anna' : null, '10.0.0.1')
  expect(written).toHaveLength(30)
  expect(written.slice(0, 2).map(({ object }) => object)).toEqual(['unknown user', 'anna'])
  clock.advance(60_000)
  await failed.add('anna', '10.0.0.1')
  await failed.add('anna', '10.0.0.1')
  expect(written.slice(30).map(({ detail }) => detail)).toEqual([
    'from 10.0.0.1; 70 more before this one were not written',
    'from 10.0.0.1',
  ])
})
