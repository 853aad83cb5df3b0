import { until } from '@usmp/testing'
import type { Ends } from '@usmp/testing/adapter-suite'
import { BrokerConnection } from '../src/broker-connection.ts'
import type { BrokerOptions } from '../src/broker-options.ts'
import { deviceTransport } from '../src/device-transport.ts'
import { topicsOf } from '../src/topics.ts'

const topics = topicsOf('suite')

/** Pairs of transports over a broker, for the suite of adapters: each pair has topics of its own. */
export async function openCarrier(
  device: BrokerOptions,
  gateway: BrokerOptions,
): Promise<{ open: () => Promise<Ends>; close: () => Promise<void> }> {
  const near = new BrokerConnection(device, { name: 'near' })
  const far = new BrokerConnection(gateway, { name: 'far' })
  await Promise.all([near.connected(), far.connected()])
  let count = 0
  return {
    async open() {
      const id = (++count).toString(16).padStart(12, '0')
      const client = deviceTransport(near, topics, id)
      const server = deviceTransport(far, { up: topics.down, down: topics.up }, id)
      await Promise.all([reaches(far, near, topics.down(id)), reaches(near, far, topics.up(id))])
      return { client, server }
    },
    close: async () => void (await Promise.all([near.close(), far.close()])),
  }
}

/** Waits until the broker has taken the subscription, by messages that are no frames. */
async function reaches(from: BrokerConnection, to: BrokerConnection, topic: string): Promise<void> {
  let arrived = false
  const forget = to.subscribe(topic, () => {
    arrived = true
  })
  let turns = 0
  await until(
    () => {
      if (turns++ % 100 === 0) from.publish(topic, new Uint8Array())
      return arrived
    },
    `a message on ${topic}`,
    40_000,
  )
  forget()
}
