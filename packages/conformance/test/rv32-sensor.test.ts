import { randomBytes } from 'node:crypto'
import { pskFingerprint } from '@usmp/core'
import { deviceApi, gatewayApi } from '@usmp/gateway'
import { listen } from '@usmp/node'
import { rpc } from '@usmp/rpc'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { buildImage, Chip } from '../src/chip.js'

const id = '02:c0:ff:ee:00:03'
const psk = new Uint8Array(randomBytes(32))
let chip: Chip

beforeAll(() => {
  chip = new Chip(buildImage('sensor.sh'), id, psk)
}, 600_000)
afterAll(() => chip?.powerOff())

test('the C sensor on an emulated rv32imc chip: fingerprint at its start, readings, answers, and back after a gateway that went', async () => {
  for (let round = 1; round <= 2; round++) {
    await using gateway = await listen({ serial: { name: 'uart', open: () => chip.open() }, psk: { [id]: psk } })
    for await (const session of gateway) {
      let tell: (values: Record<string, unknown>) => void = () => {}
      const telemetry = new Promise<Record<string, unknown>>((resolve) => (tell = resolve))
      const notifications = { telemetry: ({ values }: { values: Record<string, unknown> }) => tell(values) }
      const peer = rpc(session, { serves: gatewayApi, calls: deviceApi, notifications })
      expect(await telemetry).toHaveProperty('temperature')
      expect(await peer.request('describe', {})).toMatchObject({ firmware: { product: 'usmp-c-sensor', chip: 'rv32' } })
      expect(await peer.requestUntyped('set_interval', { seconds: 0.5 })).toEqual({ seconds: 0.5 })
      break
    }
  }
  expect(/fingerprint of its key: (\S+)/.exec(chip.line)?.[1]).toBe(pskFingerprint(psk, id))
  for (const word of ['telemetry', 'jsonrpc', 'usmp-c-sensor']) expect(chip.line).not.toContain(word)
})
