import { createHash } from 'node:crypto'
import type { Session } from '@usmp/core'
import { connectMqtt, listenMqtt } from '@usmp/mqtt'
import { connect, listen, type Server } from '@usmp/node'
import {
  imageOf,
  keyIdOf,
  MemorySlots,
  OtaDevice,
  otaDeviceApi,
  otaGatewayApi,
  publicKeyOf,
  signManifest,
  UpdateSender,
  VerifiedImage,
} from '@usmp/ota'
import { contract, rpc } from '@usmp/rpc'
import { Random } from '@usmp/testing'
import { Mosquitto } from '@usmp/testing/mosquitto'
import { brokerIsMissing } from '../contestants/broker.js'
import { type LossyWay, mqttWay, tcpWay, udpWay, type WayConditions } from '../contestants/lossy-way.js'
import { nextDeviceId, psk } from '../fixtures.js'
import { type Contestant, spread } from '../interleave.js'
import type { Bench } from './bench.js'

const SIZE = 1_000_000
/** ms, one way. */
const DELAY = 10
const ROUNDS = 3
const SITE = 'bench'
const serves = contract({ notifications: { ...otaGatewayApi.notifications } })

/** Both ends of a session over a way that is counted. */
interface Ends {
  readonly way: LossyWay
  readonly server: Server
  readonly device: Session
  close(): Promise<void>
}

async function openTcp(conditions: WayConditions): Promise<Ends> {
  const server = await listen({ tcp: { host: '127.0.0.1', port: 0 }, psk: () => psk })
  const way = await tcpWay(server.port, conditions)
  const device = await connect(`usmp://127.0.0.1:${way.port}`, { deviceId: nextDeviceId(), psk })
  return endsOf(way, server, device)
}

async function openUdp(conditions: WayConditions): Promise<Ends> {
  const server = await listen({ tcp: false, udp: { host: '127.0.0.1', port: 0 }, psk: () => psk })
  const way = await udpWay(server.udpPort, conditions)
  const device = await connect(`usmp+udp://127.0.0.1:${way.port}`, { deviceId: nextDeviceId(), psk })
  return endsOf(way, server, device)
}

async function openMqtt(conditions: WayConditions): Promise<Ends> {
  const broker = await Mosquitto.start()
  const server = await listen({ tcp: false, psk: () => psk })
  const listener = listenMqtt(server, { broker: { url: broker.url() }, site: SITE })
  await listener.connected()
  const way = await mqttWay(broker.port(), conditions)
  const device = await connectMqtt({
    broker: { url: `mqtt://127.0.0.1:${way.port}` },
    site: SITE,
    deviceId: nextDeviceId(),
    psk,
  })
  return endsOf(way, server, device, async () => {
    await listener.close()
    await broker.stop()
  })
}

function endsOf(way: LossyWay, server: Server, device: Session, closeMore = async () => {}): Ends {
  const close = async () => {
    await device.close()
    await server.close()
    await closeMore()
    await way.close()
  }
  return { way, server, device, close }
}

interface Figures {
  readonly ms: number
  readonly bytes: number
}

/** One image from offer to staged. */
async function transfer(
  open: (conditions: WayConditions) => Promise<Ends>,
  loss: number,
  minimal: boolean,
): Promise<Figures> {
  const image = new Random(3).bytes(minimal ? 5_000 : SIZE)
  const ends = await open({ loss, delay: minimal ? 0 : DELAY })
  try {
    const secret = new Uint8Array(32).fill(9)
    const manifest = signManifest(
      {
        keyId: keyIdOf(publicKeyOf(secret)),
        product: 'bench',
        chip: 'sim',
        version: 1,
        counter: 0,
        leastVersion: 0,
        size: image.length,
        sha256: createHash('sha256').update(image).digest(),
        notAfter: 0,
        name: '',
        revokedKeys: [],
        extensions: [],
      },
      secret,
    )
    const verified = await VerifiedImage.open(imageOf(image), manifest)
    const device = await OtaDevice.open({
      product: 'bench',
      chip: 'sim',
      version: '0.0.1',
      keys: [publicKeyOf(secret)],
      port: new MemorySlots(),
      restart: () => {},
    })
    const { requests, onBinary } = device
    device.onPeer(rpc(ends.device, { serves: otaDeviceApi, calls: serves, requests, onBinary }))
    const { value: session } = await ends.server[Symbol.asyncIterator]().next()
    const sender = new UpdateSender()
    const peer = rpc(session!, {
      serves,
      calls: otaDeviceApi,
      notifications: sender.notifications,
      onBinary: sender.onBinary,
    })
    const before = ends.way.bytes()
    const begin = performance.now()
    await sender.send(peer, { manifest, image: verified })
    const ms = performance.now() - begin
    device.close()
    return { ms, bytes: ends.way.bytes() - before }
  } finally {
    await ends.close()
  }
}

const ways = [
  { name: 'USMP over TCP', open: openTcp, loss: 0 },
  ...[0, 0.01, 0.05].map((loss) => ({ name: `USMP over UDP, ${100 * loss} % loss`, open: openUdp, loss })),
  ...[0, 0.01, 0.05].map((loss) => ({ name: `USMP over MQTT, ${100 * loss} % loss`, open: openMqtt, loss })),
]

type Run = ReadonlyMap<string, readonly Figures[]>

async function runAll(minimal: boolean): Promise<Run> {
  const run = new Map<string, Figures[]>(ways.map(({ name }) => [name, []]))
  for (let round = 0; round < (minimal ? 1 : ROUNDS); round++)
    for (const { name, open, loss } of ways) run.get(name)!.push(await transfer(open, loss, minimal))
  return run
}

/** Both tables are of the same run. */
let shared: Promise<Run> | undefined

function contestantsOf(figure: keyof Figures): Bench['contestants'] {
  return async (_atEnd, minimal) =>
    ways.map(({ name }): Contestant => {
      const measure = async () => {
        shared ??= runAll(minimal)
        return spread((await shared).get(name)!.map((figures) => figures[figure])).median
      }
      return { name, measure }
    })
}

const ABOUT =
  `An image of 1,000,000 bytes from the offer until the device has staged it, 8 chunks of 440 bytes under way, over a way that takes ${DELAY} ms in each ` +
  `direction. Gateway and device are in this process, the broker is mosquitto. Over UDP datagrams are lost, over MQTT messages of QoS 0 between device and broker. The median of ${ROUNDS} rounds. `

const common = { rounds: 1, missing: brokerIsMissing } as const

export const otaBenches: readonly Bench[] = [
  {
    ...common,
    id: 'ota-time',
    title: 'An update of 1 MB',
    unit: 'ms',
    about: ABOUT,
    contestants: contestantsOf('ms'),
  },
  {
    ...common,
    id: 'ota-bytes',
    title: 'Bytes of an update of 1 MB',
    unit: 'bytes',
    about: `${ABOUT}Both directions, with acknowledgements and what was lost; without the headers of TCP, UDP and IP. Over MQTT on the side of the device.`,
    contestants: contestantsOf('bytes'),
  },
]
