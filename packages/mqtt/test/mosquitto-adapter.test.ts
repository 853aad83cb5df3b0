import { describeAdapter } from '@usmp/testing/adapter-suite'
import { Mosquitto } from '@usmp/testing/mosquitto'
import { afterAll, beforeAll } from 'vitest'
import { openCarrier } from './carrier.js'

let broker: Mosquitto
let carrier: Awaited<ReturnType<typeof openCarrier>>

beforeAll(async () => {
  broker = await Mosquitto.start()
  const options = { url: broker.url() }
  carrier = await openCarrier(options, options)
})
afterAll(async () => {
  await carrier?.close()
  await broker?.stop()
})

describeAdapter({ name: 'MQTT over mosquitto', kind: 'datagram', open: () => carrier.open() })
