import { describeOptions, faultOf } from '@usmp/testing/option-suite'
import { describe, expect, test } from 'vitest'
import { acceptAll } from '../src/accept-all.ts'
import { accept, connect, sessions } from '../src/connect.ts'
import { acceptAllTable, acceptTable, connectTable, sessionsTable } from '../src/options.ts'

const device = { deviceId: '02:00:00:00:00:01', psk: crypto.getRandomValues(new Uint8Array(32)) }
const url = 'ws://no-such-host.invalid'

/** On which nothing ever comes. */
function silent(kind: 'message' | 'serial') {
  const transport = {
    kind,
    address: 'nowhere',
    aborted: false,
    open() {},
    write: () => true,
    pause() {},
    resume() {},
    close: async () => {},
    abort() {
      transport.aborted = true
    },
  }
  return transport
}

describeOptions([
  { name: 'connect', table: connectTable, good: device, call: (options) => connect(url, options) },
  { name: 'sessions', table: sessionsTable, good: device, call: (options) => sessions(url, options).next() },
  {
    name: 'accept',
    table: acceptTable,
    good: { authorize: () => null },
    call: (options) => accept(silent('message'), options),
  },
  {
    name: 'acceptAll',
    table: acceptAllTable,
    good: { authorize: () => null },
    call: (options) => acceptAll(silent('serial'), options).next(),
  },
])

describe('a session that cannot begin leaves no transport behind', () => {
  test.each([
    ['connect', 'message', (transport: never) => connect(transport, { ...device, hots: 1 } as never)],
    ['accept', 'message', (transport: never) => accept(transport, { authorize: () => null, hots: 1 } as never)],
    [
      'acceptAll',
      'serial',
      (transport: never) => acceptAll(transport, { authorize: () => null, hots: 1 } as never).next(),
    ],
  ] as const)('%s', async (name, kind, begin) => {
    const transport = silent(kind)
    expect(await faultOf(() => begin(transport as never))).toContain(`${name} has no option hots`)
    expect(transport.aborted).toBe(true)
  })
})
