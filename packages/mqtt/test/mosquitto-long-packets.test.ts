import { until } from '@usmp/testing'
import { Mosquitto } from '@usmp/testing/mosquitto'
import { connect as mqttConnect } from 'mqtt'
import { expect, onTestFinished, test } from 'vitest'
import { BrokerConnection } from '../src/index.ts'

test.each(['mqtt', 'ws'] as const)(
  'over %s a message that is too long is never collected, and what follows is taken',
  async (scheme) => {
    const broker = await Mosquitto.start({ listeners: ['mqtt', 'ws'] })
    onTestFinished(() => broker.stop())
    const connection = new BrokerConnection({ url: broker.url(scheme) }, { name: 'gw-main' })
    onTestFinished(() => connection.close())
    const sizes: number[] = []
    connection.subscribe('usmp/home/+/+/up', ({ payload }) => void sizes.push(payload.length))
    await connection.connected()
    const other = mqttConnect(broker.url())
    onTestFinished(() => other.endAsync(true))
    for (const size of [492, 200_000, 0, 1_100, 127, 128]) {
      await other.publishAsync('usmp/home/01/020000000001/up', Buffer.alloc(size), { qos: 1 })
    }
    await until(() => sizes.length === 4)
    expect([sizes, connection.tooLong, connection.state.state]).toEqual([[492, 0, 127, 128], 2, 'connected'])
  },
)
