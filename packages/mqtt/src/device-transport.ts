import type { Transport, TransportSink, UsmpError } from '@usmp/core'
import type { BrokerConnection } from './broker-connection.js'
import type { SiteTopics } from './topics.js'

/** A device's end of the broker as a transport. */
export interface DeviceTransport extends Transport {
  readonly kind: 'datagram'
  /** Ends the session from the side of the network. */
  destroy(reason: UsmpError): void
}

/**
 * The two topics of one device as a transport. It lives on while the broker is away: what is sent then is lost, and repeated. An
 * empty message is a hint of the gateway and no frame.
 */
export function deviceTransport(
  broker: Pick<BrokerConnection, 'subscribe' | 'publish'>,
  topics: Pick<SiteTopics, 'up' | 'down'>,
  id: string,
): DeviceTransport {
  let sink: TransportSink | undefined
  const unsubscribe = broker.subscribe(topics.down(id), ({ payload, retained }) => {
    // A copy: the payload is a part of what the socket read.
    if (!retained && payload.length > 0) sink?.receive(new Uint8Array(payload))
  })
  const leave = () => {
    sink = undefined
    unsubscribe()
  }
  const up = topics.up(id)
  return {
    kind: 'datagram',
    address: `mqtt:${id}`,
    open(target) {
      sink = target
    },
    write(frames) {
      for (const frame of frames) broker.publish(up, frame)
      return true
    },
    pause() {},
    resume() {},
    async close() {
      leave()
    },
    abort: leave,
    destroy(reason) {
      const target = sink
      leave()
      target?.end(reason)
    },
  }
}
