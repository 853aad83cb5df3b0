import { readFileSync } from 'node:fs'
import { sessions } from '@usmp/node'
import { until } from '@usmp/testing'
import { expect, onTestFinished, test } from 'vitest'
import { startGateway } from '../src/gateway.js'
import { ADMIN, newKey } from './support/gateway.js'
import { temporaryStore } from './support/temporary-store.js'

const guide = readFileSync(new URL('../../../docs/gateway.md', import.meta.url), 'utf8')
const ID = '02:73:69:6d:00:01'

type Run = (url: string, deviceId: string, psk: Uint8Array, signal: AbortSignal) => Promise<void>

/** The device of the guide as it stands there; `scope` takes the place of its imports. */
function deviceOfGuide(scope: Record<string, unknown>): Run {
  const code = guide.match(/```js\n\/\/ device\.mjs\n(.*?)\n```/s)?.[1]
  if (!code) throw new Error('the guide has no device.mjs')
  const body = code.replace(/^import .*$/gm, '').replace(/^export /gm, '')
  return new Function(...Object.keys(scope), `${body}\nreturn run`)(...Object.values(scope))
}

test('the device of the guide goes online, is described, reports and answers, in the messages that the guide shows', async () => {
  const store = await temporaryStore()
  const gateway = await startGateway({ store, tcp: { host: '127.0.0.1', port: 0 } })
  onTestFinished(() => gateway.close())
  const key = newKey()
  await gateway.register(ADMIN, { id: ID, psk: key.hex, name: '' })
  const messages: { id?: number; method?: string }[] = []
  const seen = <T extends object>(message: T): T => {
    messages.push(message)
    return message
  }
  const json = {
    stringify: (value: object) => JSON.stringify(seen(value)),
    parse: (text: string) => seen(JSON.parse(text)),
  }
  const often = (report: () => void) => setInterval(report, 100)
  const stop = new AbortController()
  const [tcp] = gateway.system().listeners
  const ended = deviceOfGuide({ sessions, JSON: json, setInterval: often })(
    `usmp://${tcp!.address}`,
    ID,
    key.psk,
    stop.signal,
  )
  await until(() => gateway.device(ID).methods.length > 0, 'the description', 40_000)
  // The first reading may have come before the description.
  await until(() => gateway.device(ID).readings.temperature?.unit === '°C', 'readings with their unit', 40_000)
  expect(gateway.device(ID)).toMatchObject({
    state: 'online',
    firmware: { product: 'my-sensor', version: '1.0.0' },
    methods: ['identify'],
    readings: { temperature: { value: 21.5, unit: '°C' }, door_open: { value: false } },
  })
  const asked = (method: string) => gateway.request(ADMIN, ID, { method, params: {} })
  expect(JSON.stringify(await asked('identify'))).toContain('"blinking":5')
  expect(JSON.stringify(await asked('self_test'))).toContain('no such method')
  const block = guide.match(/```json\n(\{"jsonrpc".*?)\n```/s)?.[1] ?? ''
  const shown = block.split('\n').map((line) => JSON.parse(line))
  const withoutId = ({ id: _, ...message }: { id?: number }) => message
  expect(shown.length).toBe(3)
  for (const message of shown) expect(messages.map(withoutId)).toContainEqual(withoutId(message))
  stop.abort()
  await ended
})
