import type { Rollout, RolloutDevice } from '@usmp/gateway/contract'
import { expect, test } from 'vitest'
import { deviceLine, remediesOf, rolloutLine } from '../src/ota/rollout-text.js'
import { DEVICE, OTHER_DEVICE } from './usmp.js'

const FORGED = `low battery\n  ${OTHER_DEVICE}  canary  done\u001b[1A\u009b2K`

test('a device that gives a reason of several lines makes no line of another device', () => {
  const device: RolloutDevice = {
    id: DEVICE,
    state: 'failed',
    stage: 0,
    since: 0,
    offset: null,
    attempts: 3,
    retryAt: null,
    code: -32022,
    reason: FORGED,
  }
  const line = deviceLine(device, 1000)
  expect(line).toBe(
    `  ${DEVICE}  canary  failed  low battery\\x0a  ${OTHER_DEVICE}  canary  done\\x1b[1A\\x9b2K [-32022]`,
  )
})

test('neither does the name or the reason of a roll-out', () => {
  const rollout = { id: 'r', name: 'a\nb', state: 'paused', reason: FORGED, counts: {} } as unknown as Rollout
  expect(rolloutLine(rollout)).toMatch(/^r {2}a\\x0ab: paused {2}no devices {2}\(low battery\\x0a.*\)$/)
})

test('each rule by which devices refuse is told once, with what to do', async () => {
  const codes = [-32012, -32012, -32016, 'NO_RETURN', null, -1]
  const remedies = await remediesOf(codes.map((code) => ({ code }) as RolloutDevice))
  expect(remedies.map(({ rule }) => rule)).toEqual(['REVOKED_KEY', 'DOWNGRADE'])
  expect(remedies[0]!.remedy).toBe('Sign with the key that has replaced it.')
})
