import { encodeFrame, PacketType, parseDeviceId, type Session } from '@usmp/core'
import { listen } from '@usmp/node'
import {
  codeOf,
  DEVICE_ID,
  DEVICE_ID_BYTES,
  deviceNumber,
  failureOf,
  OTHER_PSK,
  PSK,
  pattern,
  textOf,
  until,
} from '@usmp/testing'
import { Mosquitto } from '@usmp/testing/mosquitto'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { BrokerConnection, connectMqtt, listenMqtt, type MqttConnectOptions, mqttSessions } from '../src/index.ts'
import { topicId } from '../src/topics.ts'
import { SITE, Stranger, startSite, topics } from './site.js'

let broker: Mosquitto
const ID = topicId(DEVICE_ID_BYTES)
const UP = topics.up(ID)
const DOWN = topics.down(ID)
/** For what a machine that is four times slower still does. */
const SLOWLY = 40_000

beforeAll(async () => {
  broker = await Mosquitto.start()
})
afterAll(() => broker?.stop())

const at = (): { url: string } => ({ url: broker.url() })

async function device(options: Partial<MqttConnectOptions> = {}): Promise<Session> {
  const session = await connectMqtt({ broker: at(), site: SITE, deviceId: DEVICE_ID, psk: PSK, ...options })
  onTestFinished(() => session.close())
  return session
}

/** Sends a text each way. */
async function talk(session: Session, peer: Session): Promise<void> {
  await session.send('up')
  expect(textOf(await peer.receive())).toBe('up')
  await peer.send('down')
  expect(textOf(await session.receive())).toBe('down')
}

const helloOf = (deviceId: string, seed: number) =>
  encodeFrame({ type: PacketType.HELLO, payload: Uint8Array.from([...parseDeviceId(deviceId), ...pattern(32, seed)]) })

describe('a session over mosquitto', () => {
  test('begins, talks, and ends by a BYE at either end', async () => {
    const { server, ended } = await startSite(at())
    const session = await device()
    expect([session.transportKind, session.address, server.sessions[0]!.address]).toEqual([
      'datagram',
      `mqtt:${ID}`,
      `mqtt:${ID}`,
    ])
    await talk(session, server.sessions[0]!)
    await session.close()
    await until(() => ended.length === 1, 'the end at the gateway', SLOWLY)
    const next = await device()
    await server.close()
    expect((await next.closed).code).toBe('CLOSED')
  })

  test('shows the broker nothing that is said', async () => {
    const stranger = await Stranger.at(broker.url())
    const { server } = await startSite(at())
    const session = await device()
    await session.send('temperature 21.5')
    await server.sessions[0]!.receive()
    await until(() => stranger.heard.some(({ topic }) => topic === UP), 'the frames', SLOWLY)
    expect(Buffer.concat(stranger.heard.map(({ payload }) => payload)).includes('temperature')).toBe(false)
  })

  test('lives on through junk, other sites, retained junk, captured frames, and hints that nobody sent', async () => {
    const stranger = await Stranger.at(broker.url())
    const { server, listener, began } = await startSite(at())
    const session = await device()
    await talk(session, server.sessions[0]!)
    const isData = (topic: string) =>
      stranger.heard.some((one) => one.topic === topic && one.payload[3] === PacketType.DATA)
    await until(() => isData(UP) && isData(DOWN), 'the frames at the broker', SLOWLY)
    const frames = [...stranger.heard]
    for (const topic of [UP, DOWN]) {
      stranger.say(topic, '')
      stranger.say(topic, 'junk')
      stranger.say(topic, pattern(1_000))
      stranger.say(topic, pattern(60), { retain: true })
    }
    for (const { topic, payload } of frames) if (topic === UP || topic === DOWN) stranger.say(topic, payload)
    stranger.say(topics.up('AABBCCDDEEFF'), 'id in capitals')
    stranger.say(`usmp/${SITE}/00/${ID}/up`, 'the wrong shard')
    stranger.say(UP, helloOf(deviceNumber(1), 1))
    stranger.say(topics.presence('main'), '{"v":1,"up":false}')
    stranger.say(topics.presence('main'), 'no presence')
    await talk(session, server.sessions[0]!)
    await until(() => listener.dropped.get('OTHER_ID') === 1, 'the count', SLOWLY)
    expect(began).toEqual([DEVICE_ID])
    expect(listener.dropped.get('BAD_TOPIC')).toBe(2)
    expect(listener.dropped.get('TOO_LONG')).toBe(1)
    for (const end of [session, server.sessions[0]!]) {
      await until(() => (end.dropped.get('REPLAYED') ?? 0) > 0, 'the captured frames', SLOWLY)
    }
    // What the broker keeps is handed to who comes later, and says so.
    const later = await startSite(at(), { node: 'later' })
    await until(() => later.listener.dropped.get('RETAINED') === 1, 'the count', SLOWLY)
    for (const topic of [UP, DOWN]) stranger.say(topic, '', { retain: true })
  })

  test('is that of the newer of two devices with one id', async () => {
    const { server, began } = await startSite(at())
    const own = new BrokerConnection(at(), { name: 'first' })
    onTestFinished(() => own.close())
    const first = await connectMqtt({ broker: own, site: SITE, deviceId: DEVICE_ID, psk: PSK })
    const second = await device()
    await talk(second, server.sessions[0]!)
    expect([began, server.sessions.length]).toEqual([[DEVICE_ID, DEVICE_ID], 1])
    // The first one hears frames of a session that is not its own. They cost it nothing, and prove nothing to it.
    expect(first.dropped.size).toBeGreaterThan(0)
  })
})

describe('an impostor', () => {
  test('on the topics of a device that is online changes nothing for it', async () => {
    const { server, refused, began } = await startSite(at(), { server: { handshakeTimeout: 500 } })
    const session = await device()
    const code = await codeOf(device({ psk: OTHER_PSK, handshakeTimeout: 400 }))
    expect(code).toBe('HANDSHAKE_TIMEOUT')
    await until(() => refused.length === 1, 'the refusal', SLOWLY)
    await talk(session, server.sessions[0]!)
    expect([refused, began]).toEqual([['AUTH_FAILED'], [DEVICE_ID]])
  })

  test('who floods with 2,000 HELLOs of made-up ids keeps no device out', async () => {
    const { server, listener, refused } = await startSite(at(), { isKnown: (id) => id === DEVICE_ID })
    const stranger = await Stranger.at(broker.url())
    const session = await device()
    for (let n = 0; n < 2_000; n++) {
      const id = `02:ff:00:00:${[n >> 8, n & 255].map((part) => part.toString(16).padStart(2, '0')).join(':')}`
      stranger.say(topics.up(topicId(parseDeviceId(id))), helloOf(id, n))
    }
    await until(() => (listener.dropped.get('TOO_MANY_CONNECTIONS') ?? 0) > 1_000, 'the flood', SLOWLY)
    await talk(session, server.sessions[0]!)
    await session.close()
    await talk(await device(), server.sessions[0]!)
    const begun = 2_000 - listener.dropped.get('TOO_MANY_CONNECTIONS')!
    expect(begun).toBeGreaterThanOrEqual(50)
    expect(begun).toBeLessThan(1_000)
    expect(refused.filter((code) => code !== 'HANDSHAKE_TIMEOUT')).toEqual([])
  })
})

describe('a broker that dies and comes back', () => {
  test('ends no session, and nothing that was sent meanwhile is lost', async () => {
    const own = await Mosquitto.start()
    onTestFinished(() => own.stop())
    const states: string[] = []
    const away = new Set<number>()
    const site = await startSite(
      { url: own.url() },
      {
        onStateChange: ({ state, since }) => {
          states.push(state)
          if (state !== 'connected' && states.includes('connected')) away.add(since)
        },
      },
    )
    const session = await device({ broker: { url: own.url() } })
    await talk(session, site.server.sessions[0]!)
    await own.kill()
    await until(() => site.listener.state.state === 'failed', 'the loss of the broker', SLOWLY)
    expect(site.listener.state.reason!.code).toBe('TRANSPORT_FAILED')
    expect(site.listener.state.nextTryAt).toBeGreaterThan(0)
    // Told as one outage, however often the broker is tried.
    await until(() => states.filter((state) => state === 'failed').length > 1, 'another try', SLOWLY)
    expect(away.size).toBe(1)
    await session.send('sent while the broker was away')
    await own.restart()
    expect(textOf(await site.server.sessions[0]!.receive())).toBe('sent while the broker was away')
    await talk(session, site.server.sessions[0]!)
    expect([site.began, site.ended]).toEqual([[DEVICE_ID], []])
    await until(() => states.at(-1) === 'connected', 'the broker', SLOWLY)
  })
})

describe('a broker that is not there yet', () => {
  test('is waited for by a gateway and a device, which meet when it comes', async () => {
    const own = await Mosquitto.start()
    onTestFinished(() => own.stop())
    await own.kill()
    const server = await listen({ tcp: false, psk: () => PSK })
    const listener = listenMqtt(server, { broker: { url: own.url() }, site: SITE })
    expect((await failureOf(listener.connected())).code).toBe('UNREACHABLE')
    expect([listener.state.state, listener.state.reason!.code]).toEqual(['failed', 'UNREACHABLE'])
    const sessions = mqttSessions({ broker: { url: own.url() }, site: SITE, deviceId: DEVICE_ID, psk: PSK })
    const first = sessions.next()
    await own.restart()
    const session = (await first).value as Session
    await talk(session, server.sessions[0]!)
    await Promise.all([sessions.return(), session.closed])
    await server.close()
    await listener.close()
    expect(listener.state.state).toBe('closed')
  })

  test('does not hold up a listener that closes', async () => {
    const server = await listen({ tcp: false, psk: () => PSK })
    const listener = listenMqtt(server, { broker: { url: 'mqtt://127.0.0.1:1' }, site: SITE })
    await listener.close()
    await server.close()
    expect((await failureOf(listener.connected())).code).toBe('NOT_CONNECTED')
  })
})

describe('sessions for ever', () => {
  /** Sessions of a device in the background. */
  function keepUp(options: Partial<MqttConnectOptions> = {}) {
    const stop = new AbortController()
    const sessions: Session[] = []
    const reasons: string[] = []
    const done = (async () => {
      for await (const session of mqttSessions({
        broker: at(),
        site: SITE,
        deviceId: DEVICE_ID,
        psk: PSK,
        handshakeTimeout: 500,
        onRetry: ({ code }) => void reasons.push(code),
        ...options,
        signal: stop.signal,
      })) {
        sessions.push(session)
        await session.closed
      }
    })()
    onTestFinished(async () => {
      stop.abort()
      await done
    })
    return { sessions, reasons }
  }

  test('a device that waits for its approval is there as soon as the gateway says so', async () => {
    let psk: Uint8Array | null = null
    const attempts: string[] = []
    const { listener } = await startSite(at(), {
      psk: () => psk,
      isKnown: () => psk !== null,
      server: { onUnproven: ({ deviceId, address }) => void attempts.push(`${deviceId} ${address}`) },
    })
    const { sessions, reasons } = keepUp()
    await until(() => reasons.length >= 3, 'three refusals', SLOWLY)
    expect(attempts[0]).toBe(`${DEVICE_ID} mqtt:${ID}`)
    expect(new Set(reasons)).toEqual(new Set(['HANDSHAKE_TIMEOUT']))
    psk = PSK
    listener.hint(DEVICE_ID)
    await until(() => sessions.length === 1, 'the session', SLOWLY)
  })

  test('an invitation reaches a device that was locked out as it knocked too often', async () => {
    const attempts: string[] = []
    const { listener, refused } = await startSite(at(), {
      psk: () => null,
      isKnown: () => false,
      server: { handshakeTimeout: 250, onUnproven: ({ deviceId }) => void attempts.push(deviceId) },
    })
    const stranger = await Stranger.at(broker.url())
    while (!refused.includes('LOCKED_OUT')) await codeOf(device({ handshakeTimeout: 300 }))
    const before = attempts.length
    listener.inviteUnknown()
    await until(
      () => stranger.heard.some(({ topic, payload }) => topic === DOWN && payload.length === 0),
      'the hint',
      SLOWLY,
    )
    expect(await codeOf(device({ handshakeTimeout: 300 }))).toBe('HANDSHAKE_TIMEOUT')
    expect(attempts.length).toBe(before + 1)
  })

  test('after a restart of the gateway the device notices by the presence, and comes back', async () => {
    const site = await startSite(at(), { node: 'one' })
    const { sessions } = keepUp()
    await until(() => sessions.length === 1, 'the session', SLOWLY)
    // Without a word to the device: the listener goes first, and what is left of its sessions ends without a BYE.
    await site.listener.close()
    await startSite(at(), { node: 'one' })
    await until(() => sessions.length === 2, 'the next session', SLOWLY)
    expect((await sessions[0]!.closed).code).toBe('TRANSPORT_FAILED')
  })

  test('a handler that comes later on a shared connection hears the presence that the first one heard', async () => {
    const { listener } = await startSite(at(), { node: 'shared' })
    const shared = new BrokerConnection(at(), { name: 'shared' })
    onTestFinished(() => shared.close())
    const heard: string[][] = [[], []]
    const listenAs = (n: number) =>
      shared.subscribe(
        topics.presence('shared'),
        ({ payload }) => void heard[n]!.push(Buffer.from(payload).toString()),
        {
          retained: true,
        },
      )
    listenAs(0)
    await until(() => heard[0]!.length > 0, 'the presence', SLOWLY)
    listenAs(1)
    expect(heard[1]).toEqual([`{"v":1,"up":true,"boot":"${listener.boot}"}`])
  })

  test('the will of a device reaches the gateway, and its word is a hint only', async () => {
    const wills: string[] = []
    const { server } = await startSite(at(), {
      onWill: (id) => {
        wills.push(id)
        throw new Error('of the application')
      },
    })
    const stranger = await Stranger.at(broker.url())
    const session = await device()
    for (let n = 0; n < 5; n++) stranger.say(topics.will(ID), '')
    stranger.say(topics.will('nonsense'), '')
    await talk(session, server.sessions[0]!)
    await until(() => wills.length > 0, 'the will', SLOWLY)
    expect(wills).toEqual([DEVICE_ID])
  })
})
