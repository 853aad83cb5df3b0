import { expect, test } from 'vitest'
import { DeviceSessions } from '../../src/devices/sessions.js'
import { deviceNumber } from '../support/gateway.js'

test('a session that began while the server still opened its listeners is looked at too', () => {
  const ended: string[] = []
  const server = Object.assign(new EventTarget(), {
    sessions: [{ deviceId: deviceNumber(1) }],
    disconnect: (id: string) => void ended.push(id),
  })
  // Withdrawn meanwhile: what is not looked at would stay.
  const directory = { find: () => ({ mayConnect: false }) }
  new DeviceSessions({ server, directory } as never)
  expect(ended).toEqual([deviceNumber(1)])
})
