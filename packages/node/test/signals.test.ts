import { getMaxListeners, setMaxListeners } from 'node:events'
import { deviceNumber, PSK, turns, until } from '@usmp/testing'
import { expect, onTestFinished, test } from 'vitest'
import { connect, sessions } from '../src/connect.ts'
import { listen } from '../src/server.ts'
import { LOOPBACK, startServer } from './network.ts'

test('eleven servers, sessions and attempts on one signal: no MaxListenersExceededWarning', async () => {
  const warnings: Error[] = []
  const note = (warning: Error) => void warnings.push(warning)
  process.on('warning', note)
  onTestFinished(() => void process.off('warning', note))
  const { server, url } = await startServer()
  const numbers = Array.from({ length: 11 }, (_, n) => n + 1)

  const stop = new AbortController()
  const { signal } = stop
  const running = numbers.map(async (n) => {
    for await (const session of sessions(url, { deviceId: deviceNumber(n), psk: PSK, signal })) await session.closed
  })
  const servers = await Promise.all(numbers.map(() => listen({ tcp: { port: 0 }, psk: () => PSK, signal })))
  await Promise.all(servers.map((each) => each.close()))
  await until(() => server.sessions.length === 11)
  stop.abort()
  await Promise.all(running)

  const attempts = new AbortController()
  const failing = numbers.map((n) =>
    connect(`usmp+udp://${LOOPBACK}:9`, { deviceId: deviceNumber(n), psk: PSK, signal: attempts.signal }).catch(
      () => {},
    ),
  )
  await turns(3)
  attempts.abort()
  await Promise.all(failing)
  await turns(3)
  expect(warnings.filter(({ name }) => name === 'MaxListenersExceededWarning')).toEqual([])
})

test('a limit that the application has set for its signal stays', async () => {
  const { signal } = new AbortController()
  setMaxListeners(3, signal)
  const { url } = await startServer({ signal })
  await (await connect(url, { deviceId: deviceNumber(1), psk: PSK, signal })).close()
  expect(getMaxListeners(signal)).toBe(3)
})
