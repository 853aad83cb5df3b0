import { describeAdapter } from '@usmp/testing/adapter-suite'
import { afterAll, beforeAll } from 'vitest'
import { type EmbeddedBroker, startEmbeddedBroker } from '../src/embedded-broker.ts'
import { openCarrier } from './carrier.js'

let broker: EmbeddedBroker
let carrier: Awaited<ReturnType<typeof openCarrier>>

beforeAll(async () => {
  broker = await startEmbeddedBroker({ site: 'suite', port: 0 })
  carrier = await openCarrier({ url: broker.url }, broker.gateway)
})
afterAll(async () => {
  await carrier?.close()
  await broker?.close()
})

describeAdapter({ name: 'MQTT over the embedded broker', kind: 'datagram', open: () => carrier.open() })
