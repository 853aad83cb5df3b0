import { Random } from '@usmp/testing'
import { describe, expect, test } from 'vitest'
import {
  dayOf,
  type ManifestFields,
  type MemorySlotsOptions,
  OtaCode,
  type OtaDeviceOptions,
  parseVersion,
} from '../src/index.ts'
import { formatChunk, parseTransferMessage } from '../src/internal.ts'
import { publisher } from './publisher.ts'
import { alice, hexOf, type Meeting, manifestFor, World } from './support/world.ts'

const mallory = publisher(66)
const image = new Random(2).bytes(10_000)

/** A device whose gateway is played by the test; what it changes is noted. */
async function device(options: Partial<OtaDeviceOptions> & { slots?: MemorySlotsOptions } = {}) {
  const changes: string[] = []
  const world = new World({ ...options, slots: { onChange: (what) => changes.push(what), ...options.slots } })
  await world.boot()
  const meeting = world.meet()
  const offer = (bytes: Uint8Array) =>
    world.settle(meeting.gateway.request('ota.offer', { manifest: Buffer.from(bytes).toString('base64url') }))
  return { world, meeting, offer, changes }
}

/** What the device has asked for so far. */
const requests = ({ link }: Meeting) =>
  link.device.sent.flatMap((message) => {
    const parsed = parseTransferMessage(message)
    return parsed?.kind === 'request' ? [parsed] : []
  })

const chunk = (offset: number, length = 440) => formatChunk(offset, image.subarray(offset, offset + length))

describe('nothing is erased or noted before every check has passed', () => {
  const changed = (changes: Partial<ManifestFields>) => manifestFor(image, changes).bytes
  const flipped = (at: number) => {
    const bytes = changed({}).slice()
    bytes[at]! ^= 1
    return bytes
  }
  test.each<[string, Uint8Array, number, Partial<OtaDeviceOptions>]>([
    ['a byte of the size is flipped', flipped(52), OtaCode.BAD_SIGNATURE, {}],
    ['a byte of the hash is flipped', flipped(60), OtaCode.BAD_SIGNATURE, {}],
    ['the magic is flipped', flipped(0), OtaCode.MALFORMED, {}],
    ['bytes follow', new Uint8Array([...changed({}), 0]), OtaCode.MALFORMED, {}],
    ['another key', manifestFor(image, {}, mallory).bytes, OtaCode.UNKNOWN_KEY, {}],
    [
      'the id of our key, the signature of another',
      manifestFor(image, { keyId: alice.keyId }, mallory).bytes,
      OtaCode.BAD_SIGNATURE,
      {},
    ],
    ['another product', changed({ product: 'toaster' }), OtaCode.WRONG_PRODUCT, {}],
    ['another chip', changed({ chip: 'esp32' }), OtaCode.WRONG_CHIP, {}],
    ['an older counter', changed({ counter: 4 }), OtaCode.DOWNGRADE, { counter: 5 }],
    ['a least version above ours', changed({ leastVersion: parseVersion('1.0.1') }), OtaCode.VERSION_TOO_OLD, {}],
    ['its day is over', changed({ notAfter: 10 }), OtaCode.EXPIRED, { today: () => dayOf(new Date('2020-01-12')) }],
    ['too large', changed({ size: (1 << 20) + 1 }), OtaCode.TOO_LARGE, {}],
    ['the application says no', changed({}), OtaCode.NOT_NOW, { mayUpdate: () => false }],
  ])('%s', async (_, bytes, code, options) => {
    const { meeting, offer, changes, world } = await device(options)
    await expect(offer(bytes)).rejects.toMatchObject({ code })
    await world.pass(60_000)
    expect(changes).toEqual([])
    expect(requests(meeting)).toEqual([])
    // The good one is taken all the same.
    if (!options.mayUpdate && !options.counter) expect(await offer(changed({}))).toEqual({ have: 0 })
  })

  test('what is no base64url of a manifest', async () => {
    const { meeting, world, changes } = await device()
    for (const manifest of ['A'.repeat(214), `${'A'.repeat(216)}B`, '-_'.repeat(300)]) {
      await expect(world.settle(meeting.gateway.request('ota.offer', { manifest }))).rejects.toMatchObject({
        code: OtaCode.MALFORMED,
      })
    }
    expect(changes).toEqual([])
  })
})

describe('chunks', () => {
  test('that were not asked for, have another length, or came before, are ignored', async () => {
    const { world, meeting, offer, changes } = await device()
    await offer(manifestFor(image).bytes)
    await world.until(() => requests(meeting).length > 0)
    expect(requests(meeting)).toEqual([{ kind: 'request', offset: 0, count: 8 }])
    const writes = () => changes.filter((what) => what === 'write').length
    const bad = [
      chunk(440, 439),
      formatChunk(0, new Uint8Array(1)),
      formatChunk(1, image.subarray(0, 440)),
      chunk(8 * 440),
      formatChunk(9_990, image.subarray(9_990)),
      formatChunk(0xffff_ff00, image.subarray(0, 440)),
      Uint8Array.of(0xfe, 0x02),
      Uint8Array.of(0xfe, 0x02, 0, 0, 0, 0),
      Uint8Array.of(0xfe, 0x09, 1, 2, 3),
      new Uint8Array(1800).fill(0xfe),
      new Uint8Array([...formatChunk(0, image.subarray(0, 440)), 1]),
    ]
    for (const message of bad) void meeting.gateway.sendBinary(message)
    await world.pass(500)
    expect(writes()).toBe(0)
    // In another order, and each twice.
    for (const index of [2, 1, 2, 0, 0, 7, 7, 3]) void meeting.gateway.sendBinary(chunk(index * 440))
    await world.pass(400)
    expect(writes()).toBe(4)
  })

  test('without credit, in a flood, are neither written nor kept', async () => {
    const { world, meeting, offer, changes } = await device()
    await offer(manifestFor(image).bytes)
    await world.until(() => requests(meeting).length > 0)
    for (let round = 0; round < 50; round++) {
      for (let offset = 8 * 440; offset < image.length; offset += 440) {
        meeting.link.device.deliver(chunk(offset, Math.min(440, image.length - offset)))
      }
    }
    await world.pass(500)
    const writes = () => changes.filter((what) => what === 'write').length
    expect(writes()).toBe(0)
    // Only what was asked for is used, though the next ones have come too.
    for (let index = 0; index < 8; index++) meeting.link.device.deliver(chunk(index * 440))
    await world.pass(10)
    expect(writes()).toBe(8)
  })

  test('that are of no use do not keep the device from asking again', async () => {
    const { world, meeting, offer } = await device()
    await offer(manifestFor(image).bytes)
    await world.until(() => requests(meeting).length > 0)
    void meeting.gateway.sendBinary(chunk(0))
    await world.pass(100)
    const before = requests(meeting).length
    for (let i = 0; i < 10; i++) {
      void meeting.gateway.sendBinary(chunk(0))
      void meeting.gateway.sendBinary(formatChunk(441, image.subarray(441, 881)))
      void meeting.gateway.sendBinary(chunk(20 * 440))
      await world.pass(400)
    }
    // After 1 and 2 s.
    expect(requests(meeting).length).toBe(before + 2)
  })

  test('of another image are found by the hash of the slot, and the transfer begins at 0', async () => {
    const { world, meeting, offer } = await device()
    const manifest = manifestFor(image)
    await offer(manifest.bytes)
    const wrong = image.slice()
    wrong[9_999]! ^= 1
    const served = new Set<number>()
    while (!meeting.events.some(({ type }) => type === 'failed')) {
      await world.pass(50)
      for (const { offset, count } of requests(meeting)) {
        for (let at = offset; at < Math.min(offset + count * 440, image.length); at += 440) {
          if (served.has(at)) continue
          served.add(at)
          void meeting.gateway.sendBinary(formatChunk(at, wrong.subarray(at, at + 440)))
        }
      }
    }
    expect(meeting.events.filter(({ type }) => type !== 'progress')).toEqual([
      {
        type: 'failed',
        sha256: hexOf(image),
        code: OtaCode.WRONG_IMAGE,
        reason: expect.stringMatching(/not the image/),
      },
    ])
    expect(world.device.state.staged).toBeNull()
    await expect(world.settle(meeting.gateway.request('ota.apply', { sha256: hexOf(image) }))).rejects.toMatchObject({
      code: OtaCode.NOT_STAGED,
    })
    expect(await world.send(meeting, image)).toEqual({ have: 0, sent: image.length })
  })

  test('that never come are asked for again, ever more rarely, and nothing else happens', async () => {
    const { world, meeting, offer } = await device()
    await offer(manifestFor(image).bytes)
    await world.pass(10 * 60_000)
    const asked = requests(meeting)
    // 1, 2, 4, 8, 16 s, then each 30 s.
    expect(asked.length).toBe(1 + 5 + Math.floor((600 - 31) / 30))
    expect(new Set(asked.map(({ offset }) => offset))).toEqual(new Set([0]))
  })
})

describe('offers in a flood', () => {
  test('erase once, and most are answered as BUSY', async () => {
    const { world, meeting, changes } = await device()
    const manifest = Buffer.from(manifestFor(image).bytes).toString('base64url')
    const offer = (id: number) => JSON.stringify({ jsonrpc: '2.0', id, method: 'ota.offer', params: { manifest } })
    for (let id = 0; id < 60; id++) meeting.link.device.deliver(new TextEncoder().encode(offer(id)))
    const answers = () =>
      meeting.link.device.sent
        .filter(([first]) => first === 0x7b)
        .map((message) => JSON.parse(new TextDecoder().decode(message)))
    await world.until(() => answers().length >= 60)
    const codes = answers().flatMap(({ id, error }) => (typeof id === 'number' ? [error?.code ?? 'taken'] : []))
    expect(codes.filter((code) => code === 'taken').length).toBeGreaterThan(0)
    expect(codes.filter((code) => code === OtaCode.BUSY).length).toBeGreaterThan(30)
    expect(codes).toHaveLength(60)
    expect(changes.filter((what) => what === 'begin')).toEqual(['begin'])
  })

  test('of two images in turn do not end the first transfer', async () => {
    const { world, meeting, offer, changes } = await device()
    const other = manifestFor(image)
    const large = new Random(4).bytes(100_000)
    const outcome = world.send(meeting, large)
    await world.pass(100)
    for (let i = 0; i < 20; i++) await expect(offer(other.bytes)).rejects.toMatchObject({ code: OtaCode.BUSY })
    await outcome
    expect(changes.filter((what) => what === 'begin')).toEqual(['begin'])
    expect(world.device.state.staged).toBe(hexOf(large))
  })
})

describe('apply', () => {
  test('starts nothing but what is staged, and once', async () => {
    const { world, meeting, changes } = await device()
    const apply = (sha256: string) => world.settle(meeting.gateway.request('ota.apply', { sha256 }))
    await expect(apply(hexOf(image))).rejects.toMatchObject({ code: OtaCode.NOT_STAGED })
    await world.send(meeting, image)
    await expect(apply('0'.repeat(64))).rejects.toMatchObject({ code: OtaCode.NOT_STAGED })
    expect(changes).not.toContain('activate')
    await apply(hexOf(image))
    await apply(hexOf(image))
    await world.pass(10_000)
    expect(world.restarts).toBe(1)
    expect(changes.filter((what) => what === 'activate')).toEqual(['activate'])
    // Between the two it takes nothing new.
    await expect(world.send(meeting, image.subarray(1))).rejects.toMatchObject({ deviceCode: OtaCode.BUSY })
  })

  test('asks the application once more', async () => {
    let may = true
    const { world, meeting, changes } = await device({ mayUpdate: () => may })
    await world.send(meeting, image)
    may = false
    await expect(world.settle(meeting.gateway.request('ota.apply', { sha256: hexOf(image) }))).rejects.toMatchObject({
      code: OtaCode.NOT_NOW,
    })
    expect(changes).not.toContain('activate')
    may = true
    await world.settle(meeting.gateway.request('ota.apply', { sha256: hexOf(image) }))
    await world.until(() => world.restarts === 1)
  })
})

describe('a storage that fails', () => {
  test('is told as FLASH; after the second time the image is refused until the next start', async () => {
    let fails = true
    const { world, meeting, changes } = await device({
      slots: {
        onChange: (what) => {
          if (fails && what === 'write') throw new Error('bad sector')
        },
      },
    })
    for (let i = 0; i < 2; i++) {
      await expect(world.send(meeting, image)).rejects.toMatchObject({ code: 'FAILED', deviceCode: OtaCode.FLASH })
    }
    await expect(world.send(meeting, image)).rejects.toMatchObject({ code: 'REFUSED', deviceCode: OtaCode.FLASH })
    expect(world.faults.map((fault) => (fault as Error).message)).toEqual(['bad sector', 'bad sector'])
    fails = false
    await world.boot()
    await world.send(world.meet(), image)
    expect(changes).toEqual([])
    expect(world.device.state.staged).toBe(hexOf(image))
  })

  test('a record that is damaged brings no old keys back: every offer is refused', async () => {
    const { world } = await device()
    await world.slots.store(new TextEncoder().encode('{"format":1}'))
    await world.boot()
    await expect(world.send(world.meet(), image)).rejects.toMatchObject({ deviceCode: OtaCode.FLASH })
    expect(world.faults).toHaveLength(1)
  })
})
