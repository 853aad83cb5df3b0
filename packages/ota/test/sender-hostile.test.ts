import { contract, type Peer, rpc } from '@usmp/rpc'
import { Random, type SimulatedClock } from '@usmp/testing'
import { describe, expect, test } from 'vitest'
import {
  ByteRate,
  type ImageSource,
  imageOf,
  OtaCode,
  otaDeviceApi,
  otaGatewayApi,
  TransferError,
  type UpdateEvent,
  UpdateSender,
  type UpdateSenderOptions,
  VerifiedImage,
} from '../src/index.ts'
import { formatRequest, parseTransferMessage } from '../src/internal.ts'
import { type LinkOptions, makeLink } from './support/link.ts'
import { hexOf, manifestFor, World } from './support/world.ts'

const image = new Random(3).bytes(50_000)
const manifest = manifestFor(image)

interface Scene {
  readonly have?: number
  readonly source?: ImageSource
  readonly link?: Partial<LinkOptions>
  readonly sending?: UpdateSenderOptions
  readonly onOffer?: () => void
  readonly world?: World
}

/** A sender whose device is played by the test. */
async function gateway({ have = 0, source = imageOf(image), link, sending, onOffer, world = new World() }: Scene = {}) {
  const clock: SimulatedClock = world.clock
  const made = makeLink({ clock, ...link })
  const events: UpdateEvent[] = []
  const sender = new UpdateSender({ clock, onEvent: (event) => events.push(event), ...sending })
  const peer = rpc(made.gateway, {
    serves: otaGatewayApi,
    calls: otaDeviceApi,
    notifications: sender.notifications,
    onBinary: sender.onBinary,
    clock,
  })
  const chunks: { offset: number; data: Uint8Array }[] = []
  const aborted: string[] = []
  const device: Peer<typeof otaGatewayApi> = rpc(made.device, {
    serves: contract({
      requests: { 'ota.offer': otaDeviceApi.requests['ota.offer'], 'ota.abort': otaDeviceApi.requests['ota.abort'] },
    }),
    calls: otaGatewayApi,
    requests: {
      'ota.offer': () => {
        onOffer?.()
        return { have }
      },
      'ota.abort': ({ sha256 }) => {
        aborted.push(sha256)
        return {}
      },
    },
    onBinary: (message) => {
      const parsed = parseTransferMessage(message)
      if (parsed?.kind === 'chunk') chunks.push(parsed)
    },
    clock,
  })
  const verified = await VerifiedImage.open(source, manifest)
  const stop = new AbortController()
  const outcome = sender.send(peer, { manifest, image: verified, signal: stop.signal }).catch((error: unknown) => error)
  const ask = (offset: number, count: number) => void device.sendBinary(formatRequest(offset, count))
  await world.pass(100)
  return { world, clock, link: made, sender, peer, device, chunks, aborted, events, outcome, ask, stop }
}

const offsets = (chunks: readonly { offset: number }[]) => chunks.map(({ offset }) => offset)

describe('a device that asks', () => {
  test('gets exactly the chunks that it asked for, of 440 bytes; the last one is shorter', async () => {
    const { world, ask, chunks } = await gateway()
    ask(7, 2)
    await world.pass(200)
    expect(chunks).toEqual([
      { kind: 'chunk', offset: 7, data: image.subarray(7, 447) },
      { kind: 'chunk', offset: 447, data: image.subarray(447, 887) },
    ])
    chunks.length = 0
    ask(49_500, 3)
    await world.pass(200)
    expect(chunks.map(({ offset, data }) => [offset, data.length])).toEqual([
      [49_500, 440],
      [49_940, 60],
    ])
  })

  test('beyond the end gets nothing, and the transfer goes on', async () => {
    const { world, ask, chunks, sender } = await gateway()
    for (const offset of [50_000, 50_001, 0xffff_ffff]) ask(offset, 65_535)
    await world.pass(500)
    expect(chunks).toEqual([])
    expect(sender.busy).toBe(true)
    ask(49_999, 65_535)
    await world.pass(200)
    expect(chunks.map(({ data }) => data.length)).toEqual([1])
  })

  test('for very many is owed 64 at most', async () => {
    const { world, ask, chunks } = await gateway()
    ask(0, 65_535)
    await world.pass(10_000)
    expect(offsets(chunks)).toEqual(Array.from({ length: 64 }, (_, index) => index * 440))
  })

  test('again replaces what is owed; where that ends, it adds to it; 0 takes it back', async () => {
    const { world, ask, chunks } = await gateway({ link: { capacity: 1, latency: 100 } })
    ask(0, 4)
    ask(4 * 440, 2)
    await world.pass(2_000)
    expect(offsets(chunks)).toEqual([0, 440, 880, 1320, 1760, 2200])
    chunks.length = 0
    ask(0, 60)
    ask(44_000, 3)
    await world.pass(2_000)
    // What had left, or waited in the session already, still comes.
    expect(offsets(chunks).slice(-3)).toEqual([44_000, 44_440, 44_880])
    expect(chunks.length).toBeLessThanOrEqual(6)
    chunks.length = 0
    ask(0, 60)
    ask(0, 0)
    await world.pass(5_000)
    expect(chunks.length).toBeLessThanOrEqual(3)
  })

  test('for something else while the image is read gets that alone', async () => {
    const reads: (() => void)[] = []
    let slow = false
    const source: ImageSource = {
      size: image.length,
      read: async (offset, length) => {
        if (slow) await new Promise<void>((resolve) => reads.push(resolve))
        return image.subarray(offset, offset + length)
      },
    }
    const { world, ask, chunks } = await gateway({ source })
    slow = true
    ask(0, 2)
    await world.pass(100)
    ask(20_000, 1)
    await world.pass(100)
    expect(reads).toHaveLength(1)
    for (let i = 0; i < 3; i++) {
      for (const read of reads.splice(0)) read()
      await world.pass(100)
    }
    expect(offsets(chunks)).toEqual([20_000])
  })

  test('in a flood costs no more than one chunk that waits', async () => {
    const reads: number[] = []
    const source: ImageSource = {
      size: image.length,
      read: async (offset, length) => {
        reads.push(offset)
        return image.subarray(offset, offset + length)
      },
    }
    const { world, sender, link, chunks } = await gateway({ source, link: { capacity: 1, latency: 100 } })
    reads.length = 0
    for (let i = 0; i < 5_000; i++) sender.onBinary(formatRequest((i * 4096) % image.length, 65_535))
    await world.pass(1_000)
    expect(link.gateway.waiting).toBeLessThanOrEqual(1)
    expect(chunks.length).toBeLessThanOrEqual(11)
    expect(reads.length).toBeLessThan(60)
  })

  test('with what is no request is ignored', async () => {
    const { world, device, chunks, sender } = await gateway()
    for (const bytes of [
      [0xfe],
      [0xfe, 1],
      [0xfe, 1, 0, 0, 0, 0, 1],
      [0xfe, 1, 0, 0, 0, 0, 1, 0, 0],
      [0xfe, 2, 0, 0, 0, 0, 1],
      [0xfe, 3],
    ]) {
      void device.sendBinary(Uint8Array.from(bytes))
    }
    await world.pass(500)
    expect(chunks).toEqual([])
    expect(sender.busy).toBe(true)
  })
})

describe('a device that does not come further', () => {
  test('and asks for ever more beyond the end is given up', async () => {
    const { world, outcome, ask } = await gateway({ sending: { stallTimeout: 10_000 } })
    let over = false
    void outcome.then(() => {
      over = true
    })
    for (let offset = 50_000; !over && offset < 50_100; offset++) {
      ask(offset, 8)
      await world.pass(1_000)
    }
    expect(over).toBe(true)
    expect(await outcome).toMatchObject({ code: 'STALLED' })
  })

  test('and asks for nothing is given up', async () => {
    const { world, outcome, sender, clock } = await gateway()
    const begin = clock.now()
    expect(await world.settle(outcome)).toMatchObject({
      code: 'STALLED',
      message: expect.stringMatching(/byte 0 of 50000 for 120 s/),
    })
    expect(clock.now() - begin).toBeLessThanOrEqual(120_000)
    expect(sender.busy).toBe(false)
  })

  test('and asks for the same again and again is given up', async () => {
    const { world, outcome, ask, clock, chunks } = await gateway({ sending: { stallTimeout: 10_000 } })
    const begin = clock.now()
    let over = false
    void outcome.then(() => {
      over = true
    })
    while (!over) {
      ask(4_400, 8)
      await world.pass(1_000)
    }
    expect(await outcome).toMatchObject({ code: 'STALLED' })
    expect(clock.now() - begin).toBeLessThan(13_000)
    expect(chunks.length).toBeGreaterThan(8)
    // Nothing is served after it.
    const before = chunks.length
    ask(0, 8)
    await world.pass(1_000)
    expect(chunks.length).toBe(before)
  })

  test('also while it waits for a rate that transfers share: only what is new excuses the wait', async () => {
    const world = new World()
    const rate = new ByteRate({ clock: world.clock, bytesPerSecond: 440 })
    const { outcome, ask, clock } = await gateway({ sending: { stallTimeout: 10_000, rate }, world })
    const begin = clock.now()
    let over = false
    void outcome.then(() => {
      over = true
    })
    while (!over && clock.now() - begin < 60_000) {
      ask(4_400, 8)
      await world.pass(1_000)
    }
    expect(over).toBe(true)
    expect(await outcome).toMatchObject({ code: 'STALLED' })
  })

  test('but always a little is not', async () => {
    const { world, outcome, ask, device } = await gateway({ sending: { stallTimeout: 10_000 } })
    for (let offset = 0; offset < 20 * 440; offset += 440) {
      ask(offset, 1)
      await world.pass(9_000)
    }
    await device.notify('ota.staged', { sha256: hexOf(image) })
    expect(await world.settle(outcome)).toMatchObject({ have: 0, sent: 20 * 440 })
  })
})

describe('what the device says', () => {
  test('an error to the offer is told with its rule', async () => {
    const world = new World({ counter: 9 })
    await world.boot()
    await expect(world.send(world.meet(), image)).rejects.toMatchObject({
      code: 'REFUSED',
      deviceCode: OtaCode.DOWNGRADE,
      message: 'the device refused the update (DOWNGRADE): refused by the rule DOWNGRADE',
    })
  })

  test('staged before the answer to the offer, or with it, is fine', async () => {
    let tell = () => {}
    const scene = gateway({ have: 50_000, onOffer: () => tell() })
    tell = () => void scene.then(({ device }) => device.notify('ota.staged', { sha256: hexOf(image) }))
    const { world, outcome } = await scene
    expect(await world.settle(outcome)).toEqual({ have: 50_000, sent: 0 })
  })

  test('failed ends the transfer; what is about other images does not, and is told', async () => {
    const { world, device, outcome, events } = await gateway()
    const other = '1'.repeat(64)
    await device.notify('ota.staged', { sha256: other })
    await device.notify('ota.failed', { sha256: other, code: -1, reason: 'x' })
    await device.notify('ota.confirmed', { sha256: other })
    await world.pass(100)
    await device.notify('ota.failed', { sha256: hexOf(image), code: OtaCode.FLASH, reason: 'bad sector' })
    expect(await world.settle(outcome)).toMatchObject({
      code: 'FAILED',
      deviceCode: OtaCode.FLASH,
      message: 'the device gave the update up (FLASH): bad sector',
    })
    expect(events.map(({ type, sha256 }) => [type, sha256 === other])).toEqual([
      ['staged', true],
      ['failed', true],
      ['confirmed', true],
      ['failed', false],
    ])
  })

  test('progress that floods, or lies, is told four times a second at most', async () => {
    const { world, device, events } = await gateway()
    for (let i = 0; i < 300; i++) {
      await device.notify('ota.progress', { sha256: hexOf(image), offset: i % 2 ? 4_000_000 : i })
      await world.pass(10)
    }
    expect(events.length).toBeGreaterThan(2)
    expect(events.length).toBeLessThanOrEqual(40)
    expect(events.filter((event) => event.type === 'progress' && event.offset > image.length)).toEqual([])
  })
})

describe('the image', () => {
  test('that changes while it is sent is noticed before a wrong byte leaves', async () => {
    const bytes = image.slice()
    const { world, ask, chunks, outcome } = await gateway({ source: imageOf(bytes) })
    ask(0, 8)
    await world.pass(200)
    expect(chunks).toHaveLength(8)
    bytes[30_000]! ^= 1
    ask(8_800, 8)
    await world.pass(200)
    expect(chunks).toHaveLength(16)
    ask(29_920, 1)
    expect(await world.settle(outcome)).toMatchObject({
      code: 'IMAGE_CHANGED',
      message: expect.stringMatching(/near byte 28672/),
    })
    expect(chunks).toHaveLength(16)
  })

  test('that cannot be read any more ends the transfer, with the cause', async () => {
    let gone = false
    const source: ImageSource = {
      size: image.length,
      read: async (offset, length) => {
        if (gone) throw new Error('ENOENT')
        return image.subarray(offset, offset + length)
      },
    }
    const { world, ask, outcome } = await gateway({ source })
    gone = true
    ask(0, 1)
    const error = await world.settle(outcome)
    expect(error).toBeInstanceOf(TransferError)
    expect(error).toMatchObject({ code: 'IMAGE_UNREADABLE', cause: { message: 'ENOENT' } })
  })

  test('is compared with its manifest when it is opened', async () => {
    const other = image.slice()
    other[0]! ^= 1
    await expect(VerifiedImage.open(imageOf(other), manifest)).rejects.toMatchObject({ code: 'IMAGE_CHANGED' })
    await expect(VerifiedImage.open(imageOf(image.subarray(1)), manifest)).rejects.toMatchObject({
      code: 'IMAGE_CHANGED',
    })
    const short: ImageSource = { size: image.length, read: async (offset) => image.subarray(offset, offset + 100) }
    await expect(VerifiedImage.open(short, manifest)).rejects.toMatchObject({ code: 'IMAGE_CHANGED' })
    await expect(VerifiedImage.open(imageOf(image), manifest, { signal: AbortSignal.abort() })).rejects.toMatchObject({
      code: 'ABORTED',
    })
    const { world, sender, peer } = await gateway()
    const verified = await VerifiedImage.open(imageOf(image), manifest)
    await expect(sender.send(peer, { manifest: manifestFor(other), image: verified })).rejects.toMatchObject({
      code: 'INVALID_ARGUMENT',
    })
    await world.pass(1)
  })
})

describe('the end', () => {
  test('of the session ends the transfer with its reason', async () => {
    const { world, link, outcome, sender } = await gateway()
    link.cut()
    expect(await world.settle(outcome)).toMatchObject({ code: 'TRUNCATED' })
    expect(sender.busy).toBe(false)
  })

  test('by a signal tells the device', async () => {
    const { world, stop, outcome, aborted } = await gateway()
    stop.abort()
    expect(await outcome).toMatchObject({ code: 'ABORTED' })
    await world.pass(100)
    expect(aborted).toEqual([hexOf(image)])
  })
})
