import type { RolloutDevice } from '@usmp/gateway/contract'
import { OtaCode } from '@usmp/ota'
import { expect, test } from 'vitest'
import { updateFault } from '../src/update-words.js'
import { rolloutDevice } from './fake-updates.ts'

const failed = (changes: Partial<RolloutDevice>) => updateFault(rolloutDevice(1, 'failed', changes))
const UNKNOWN = failed({ code: 'NEVER_HEARD_OF' })!.what

test.each(Object.entries(OtaCode))('%s has words of its own, and says what to do', (_name, code) => {
  const fault = failed({ code, reason: 'said' })!
  expect(fault.what).not.toBe(UNKNOWN)
  expect(fault.what).toMatch(/^[A-Z].*\.$/)
  expect(fault.todo).toMatch(/^[A-Z].*\.$/)
  expect(fault.told).toBe('(said)')
})

/** Codes that the gateway gives devices by itself. */
const OWN =
  'NO_UPDATES NOT_APPROVED ROLLED_BACK NO_RETURN TOO_SLOW OLD_IMAGE WRONG_VERSION SESSION_LOST STALLED REQUEST_TIMEOUT'

test.each(OWN.split(' '))('%s of the gateway has words of its own', (code) => {
  expect(failed({ code })!.what).not.toBe(UNKNOWN)
})

test('no two codes say the same', () => {
  const words = Object.values(OtaCode).map((code) => failed({ code })!.what)
  expect(new Set(words).size).toBe(words.length)
})

test('where nothing is wrong there are no words; where something is, there always are', () => {
  expect(updateFault(rolloutDevice(1, 'transferring'))).toBeNull()
  expect(updateFault(rolloutDevice(1, 'done'))).toBeNull()
  expect(failed({})).toMatchObject({ what: UNKNOWN, told: null })
  expect(updateFault(rolloutDevice(1, 'rolled-back'))!.what).toContain('gone back')
  // It waits by itself, and says why.
  expect(updateFault(rolloutDevice(1, 'targeted', { code: OtaCode.NOT_NOW }))!.what).toContain('does not want')
})

test('what a device says cannot hide, turn the text around it, or grow', () => {
  const { told } = failed({ code: OtaCode.FLASH, reason: `\u202Eelif${'x'.repeat(1_000)}` })!
  expect(told).toContain('\\u{202e}elif')
  expect(told!.length).toBeLessThan(300)
})
