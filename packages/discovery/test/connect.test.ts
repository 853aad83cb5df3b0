import { listen } from '@usmp/node'
import { describe, expect, test } from 'vitest'
import { connect, sessions } from '../src/connect.ts'
import { gatewayAt, ownPlace } from './place.ts'

const DEVICE = 'aa:bb:cc:dd:ee:ff'
const psk = new Uint8Array(32).map((_, index) => index * 7 + 1)
const otherPsk = new Uint8Array(32).map((_, index) => index * 11 + 3)

/** A server that echoes, and is announced. */
async function server(place: Awaited<ReturnType<typeof ownPlace>>, key = psk, site = 'home') {
  const listening = await listen({ tcp: { host: '127.0.0.1', port: 0 }, psk: { [DEVICE]: key } })
  listening.addEventListener('session', ({ session }) => void echo(session).catch(() => {}))
  const port = Number(listening.address.split(':').at(-1))
  const announcement = await gatewayAt(place, { site, carriers: [{ kind: 'tcp', port, host: '127.0.0.1' }] })
  return {
    listening,
    async [Symbol.asyncDispose]() {
      await announcement.close()
      await listening.close()
    },
  }
}

async function echo(session: { receive(): Promise<Uint8Array | undefined>; send(data: Uint8Array): Promise<void> }) {
  for (let message = await session.receive(); message; message = await session.receive()) await session.send(message)
}

async function talks(session: Awaited<ReturnType<typeof connect>>): Promise<void> {
  await session.send(Uint8Array.of(1, 2, 3))
  expect(await session.receive()).toEqual(Uint8Array.of(1, 2, 3))
  await session.close()
}

describe('connect', () => {
  test('finds the gateway of a site', async () => {
    const place = await ownPlace()
    await using _ = await server(place)
    await talks(await connect('usmp+mdns://home', { deviceId: DEVICE, psk, search: place }))
  })

  test('finds the only gateway there is', async () => {
    const place = await ownPlace()
    await using _ = await server(place)
    await talks(await connect('usmp+mdns://', { deviceId: DEVICE, psk, search: place }))
  })

  test('of two gateways of one site takes the one that has the key', async () => {
    const place = await ownPlace()
    await using _wrong = await server(place, otherPsk)
    await using _right = await server(place)
    await using _alsoWrong = await server(place, otherPsk)
    await talks(await connect('usmp+mdns://home', { deviceId: DEVICE, psk, search: place }))
  })

  test('tells that the gateway of a copied site could not prove itself', async () => {
    const place = await ownPlace()
    await using _ = await server(place, otherPsk)
    const connecting = connect('usmp+mdns://home', { deviceId: DEVICE, psk, search: place, connectTimeout: 1_500 })
    await expect(connecting).rejects.toMatchObject({ family: 'handshake' })
    await expect(connecting).rejects.toThrow(/the gateway at usmp:\/\/127\.0\.0\.1:/)
  })

  test('without a site it does not choose between two', async () => {
    const place = await ownPlace()
    await using _home = await server(place)
    await using _office = await server(place, psk, 'office')
    const connecting = connect('usmp+mdns://', { deviceId: DEVICE, psk, search: place })
    await expect(connecting).rejects.toMatchObject({
      code: 'INVALID_ARGUMENT',
      message: expect.stringMatching(/home, office/),
    })
  })

  test('tells what it has tried if there is none', async () => {
    const place = await ownPlace()
    const connecting = connect('usmp+mdns://home', { deviceId: DEVICE, psk, search: place, connectTimeout: 400 })
    await expect(connecting).rejects.toMatchObject({
      code: 'UNREACHABLE',
      message: expect.stringMatching(/no gateway of the site "home" was found; asked on lo/),
      hint: expect.stringMatching(/--announce/),
    })
  })

  test('takes every other address as @usmp/node does', async () => {
    const place = await ownPlace()
    await using gateway = await server(place)
    await talks(await connect(`usmp://${gateway.listening.address}`, { deviceId: DEVICE, psk }))
  })

  test.each(['usmp+mdns://home/x', 'usmp+mdns://a.b', 'usmp+mdns:home', 'usmp+mdns://a@b'])(
    'refuses %s',
    async (url) => {
      await expect(connect(url, { deviceId: DEVICE, psk })).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' })
    },
  )

  test('a wrong argument does not hide behind a gateway that is not found', async () => {
    const search = await ownPlace()
    const refused: [object, string][] = [
      [{ psk: new Uint8Array(4) }, 'WEAK_PSK'],
      [{ deviceId: 'nobody' }, 'INVALID_ARGUMENT'],
      [{ search: { timeout: 5 } }, 'INVALID_ARGUMENT'],
      [{ serach: {} }, 'INVALID_ARGUMENT'],
    ]
    for (const [wrong, code] of refused) {
      const connecting = connect('usmp+mdns://home', { deviceId: DEVICE, psk, search, ...wrong })
      await expect(connecting).rejects.toMatchObject({ code })
    }
    expect(() => sessions('usmp+mdns://home', { deviceId: DEVICE, psk, maxRefusals: -1 })).toThrow(/maxRefusals/)
  })

  test('an abort ends the search', async () => {
    const place = await ownPlace()
    const signal = AbortSignal.timeout(50)
    const connecting = connect('usmp+mdns://home', { deviceId: DEVICE, psk, search: place, signal })
    await expect(connecting).rejects.toMatchObject({ code: 'ABORTED' })
  })
})

describe('sessions', () => {
  test('do not end because a stranger announces another site for a while', async () => {
    const place = await ownPlace()
    await using _ = await server(place)
    const stranger = await gatewayAt(place, { site: 'office', carriers: [{ kind: 'tcp', port: 1, host: '127.0.0.1' }] })
    const retries: string[] = []
    const onRetry = ({ code }: { readonly code: string }) => {
      retries.push(code)
      void stranger.close()
    }
    for await (const session of sessions('usmp+mdns://', { deviceId: DEVICE, psk, search: place, onRetry })) {
      await talks(session)
      break
    }
    expect(retries[0]).toBe('UNREACHABLE')
  })

  test('find a gateway again that has moved', async () => {
    const place = await ownPlace()
    const first = await server(place)
    let number = 0
    for await (const session of sessions('usmp+mdns://home', { deviceId: DEVICE, psk, search: place })) {
      await session.send(Uint8Array.of(7))
      expect(await session.receive()).toEqual(Uint8Array.of(7))
      if (++number === 2) return session.close()
      await first[Symbol.asyncDispose]()
      // On another port, and with another instance.
      void server(place).then((second) => session.closed.then(() => second))
    }
  })
})
