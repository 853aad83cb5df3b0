import { createHash } from 'node:crypto'
import { equalBytes, UsmpError } from '@usmp/core'
import {
  type DevicePeer,
  imageOf,
  keyIdOf,
  type Manifest,
  MemorySlots,
  OtaDevice,
  publicKeyOf,
  type SenderPeer,
  signManifest,
  TransferError,
  UpdateSender,
  VerifiedImage,
} from '@usmp/ota'
import { CHUNK_SIZE, formatChunk, formatRequest, parseTransferMessage } from '@usmp/ota/internal'
import { RpcError } from '@usmp/rpc'
import { SimulatedClock, turns } from '@usmp/testing'
import { Choices, must, type Target } from '../target.js'

const SLOT_SIZE = 8192
const WINDOW = 8
/** Steps of one input; each offer takes a signature. */
const MAX_STEPS = 60
const MAX_OFFERS = 4

const secret = new Uint8Array(32).fill(1)
const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex')

interface Update {
  readonly image: Uint8Array
  readonly manifest: Manifest
  readonly sha256: string
}

function update(size: number, counter: number): Update {
  const image = Uint8Array.from({ length: size }, (_, at) => at * 7 + (at >> 8) + counter)
  const sha256 = new Uint8Array(createHash('sha256').update(image).digest())
  const fields = {
    keyId: keyIdOf(publicKeyOf(secret)),
    product: 'fuzz',
    chip: 'sim',
    version: counter,
    counter,
    leastVersion: 0,
    size,
    sha256,
    notAfter: 0,
    name: '',
    revokedKeys: [],
    extensions: [],
  }
  return { image, manifest: signManifest(fields, secret), sha256: hex(sha256) }
}

/** One whose last chunk is short, one of a few bytes, and one that does not fit. */
let updates: readonly Update[] = []

// ─── the device, and a gateway that says anything ───

/** A device, and what it has said and changed. */
class DeviceUnderTest {
  readonly #clock = new SimulatedClock()
  readonly #changes: string[] = []
  readonly #slots = new MemorySlots({ slotSize: SLOT_SIZE, onChange: (what) => this.#changes.push(what) })
  #device!: OtaDevice
  #requests: { offset: number; count: number }[] = []
  #restart = false
  #offered = new Set<string>()
  #offers = 0
  #end: (reason: UsmpError) => void = () => {}

  async boot(): Promise<void> {
    this.#device?.close()
    this.#slots.start()
    this.#restart = false
    this.#device = await OtaDevice.open({
      product: 'fuzz',
      chip: 'sim',
      version: '0.0.1',
      keys: [publicKeyOf(secret)],
      port: this.#slots,
      window: WINDOW,
      recordStep: 4096,
      clock: this.#clock,
      restart: () => {
        this.#restart = true
      },
      onFault: (fault) => must(/given up/.test(String(fault)), `a fault: ${(fault as Error).stack}`),
    })
    const { runningImage } = this.#slots
    const known = updates.some(({ image }) => equalBytes(image, runningImage))
    must(runningImage.length === 0 || known, 'an image runs that nobody has signed')
  }

  meet(): void {
    this.#end(new UsmpError('CLOSED'))
    this.#requests = []
    const peer: DevicePeer = {
      closed: new Promise((resolve) => {
        this.#end = resolve
      }),
      tryNotify: () => true,
      notify: async () => {},
      sendBinary: async (message) => {
        const request = parseTransferMessage(message)
        must(request?.kind === 'request', 'the device sends what is no request')
        must(request.count > 0 && request.count <= WINDOW, `it asks for ${request.count} chunks`)
        this.#requests.push(request)
      },
    }
    this.#device.onPeer(peer)
  }

  async step(choices: Choices): Promise<void> {
    const what = choices.byte() % 12
    const of = updates[choices.byte() % updates.length]!
    if (what === 0) await this.#ask(() => this.#offer(of, choices.byte()))
    else if (what === 1) await this.#ask(() => this.#device.requests['ota.apply'](of))
    else if (what === 2) await this.#ask(() => this.#device.requests['ota.abort'](of))
    else if (what === 3) this.meet()
    else if (what === 4) this.#end(new UsmpError('CLOSED'))
    else if (what === 5) await this.boot()
    else if (what === 6) this.#clock.advance(choices.number())
    else if (what === 7) this.#device.onBinary(choices.bytes(choices.byte()))
    else if (what === 8) this.#device.onBinary(formatChunk(choices.number(), choices.bytes(1 + choices.byte())))
    else if (what === 9) this.#device.onBinary(chunkOf(of.image, choices.number()))
    else await this.#serve(of, choices.byte())
    await turns(3)
    if (this.#restart) await this.boot()
    await this.#check()
  }

  close(): void {
    this.#device.close()
  }

  /** The manifest, or one with a byte changed. */
  async #offer({ manifest, sha256 }: Update, bend: number): Promise<void> {
    if (++this.#offers > MAX_OFFERS) return
    const bytes = manifest.bytes.slice()
    if (bend > 127) bytes[(bend * 3) % bytes.length]! ^= 1
    const before = this.#changes.length
    try {
      await this.#device.requests['ota.offer']({ manifest: Buffer.from(bytes).toString('base64url') })
      must(bend <= 127, 'a manifest was taken that nobody has signed')
      this.#offered.add(sha256)
    } catch (error) {
      must(!this.#changes.slice(before).includes('begin'), 'erased for an offer that was refused')
      throw error
    }
  }

  /** What the device has asked for, some of it. */
  async #serve({ image }: Update, count: number): Promise<void> {
    for (const { offset, count: asked } of this.#requests.splice(0, 1 + (count & 3))) {
      for (let index = 0; index < asked; index++) this.#device.onBinary(chunkOf(image, offset + index * CHUNK_SIZE))
      await turns(2)
    }
  }

  async #ask(work: () => Promise<unknown>): Promise<void> {
    try {
      await work()
    } catch (error) {
      must(error instanceof RpcError, `not an RpcError: ${error instanceof Error ? error.stack : error}`)
    }
  }

  async #check(): Promise<void> {
    const { staged } = this.#device.state
    if (staged === null) return
    const found = updates.find(({ sha256 }) => sha256 === staged)
    must(found !== undefined && this.#offered.has(staged), 'staged what was never offered')
    must(equalBytes(await this.#slots.read(0, found.image.length), found.image), 'staged what is not the image')
  }
}

function chunkOf(image: Uint8Array, offset: number): Uint8Array {
  return formatChunk(offset, image.subarray(offset, offset + CHUNK_SIZE))
}

async function fuzzDevice(choices: Choices): Promise<void> {
  const device = new DeviceUnderTest()
  await device.boot()
  device.meet()
  for (let steps = 0; choices.left > 0 && steps < MAX_STEPS; steps++) await device.step(choices)
  device.close()
}

// ─── the sender, and a device that says anything ───

async function fuzzSender(choices: Choices): Promise<void> {
  const clock = new SimulatedClock()
  const { image, manifest, sha256 } = updates[choices.byte() % 2]!
  const sender = new UpdateSender({ clock, stallTimeout: 20_000 })
  let waiting = 0
  let asked = 0
  let sent = 0
  let release: () => void = () => {}
  let end: (reason: UsmpError) => void = () => {}
  const have = choices.number()
  const peer: SenderPeer = {
    closed: new Promise((resolve) => {
      end = resolve
    }),
    request: async () => ({ have }),
    sendBinary: async (message) => {
      const chunk = parseTransferMessage(message)
      must(chunk?.kind === 'chunk', 'the sender sends what is no chunk')
      const { offset, data } = chunk
      must(equalBytes(data, image.subarray(offset, offset + CHUNK_SIZE)), `a wrong chunk at ${offset}`)
      must(++sent <= 64 * asked, 'it sends what nobody has asked for')
      must(++waiting === 1, 'two chunks wait at once')
      await new Promise<void>((resolve) => {
        release = resolve
      })
      waiting--
    },
  }
  const verified = await VerifiedImage.open(imageOf(image), manifest)
  let outcome: unknown
  sender.send(peer, { manifest, image: verified }).then(
    (result) => {
      outcome = result
    },
    (error: unknown) => {
      outcome = error
    },
  )
  await turns(2)
  for (let steps = 0; choices.left > 0 && steps < MAX_STEPS; steps++) {
    const what = choices.byte() % 8
    const hash = choices.byte() < 128 ? sha256 : '0'.repeat(64)
    if (what < 3) {
      asked++
      sender.onBinary(formatRequest(choices.number(), choices.number()))
    } else if (what === 3) {
      asked++
      sender.onBinary(choices.bytes(choices.byte()))
    } else if (what === 4) clock.advance(choices.number())
    else if (what === 5) sender.notifications['ota.progress']({ sha256: hash, offset: choices.number() })
    else if (what === 6) sender.notifications['ota.failed']({ sha256: hash, code: choices.number(), reason: 'x' })
    else
      for (let count = choices.byte(); count > 0; count--) {
        release()
        await turns(1)
      }
    await turns(2)
  }
  end(new UsmpError('CLOSED'))
  await turns(3)
  must(outcome !== undefined && !sender.busy, 'the transfer outlives its session')
  const told = outcome instanceof TransferError || outcome instanceof UsmpError
  must(told, `it ends with ${String(outcome)}`)
  release()
  await turns(2)
}

const bytes = (...parts: readonly (number | readonly number[])[]) => Uint8Array.from(parts.flat())
const serve = [10, 0, 3]
const repeat = (times: number, part: readonly number[]) => Array.from({ length: times }, () => part).flat()

export const otaTransfer: Target = {
  prepare() {
    updates = [update(6_000, 1), update(300, 2), update(SLOT_SIZE + 1, 3)]
  },
  seeds: () => [
    // A whole life: offered, served, applied, confirmed; then the next one.
    bytes(
      0,
      [0, 0, 0],
      repeat(4, serve),
      [1, 0],
      [6, 0, 0xe8, 3],
      [3, 0],
      [0, 1, 0],
      [10, 1, 1],
      [1, 1],
      [6, 1, 0xe8, 3],
      [3, 1],
    ),
    // Cut, another session, resumed; bent; too large; aborted.
    bytes(0, [0, 0, 0], serve, [4, 0], [3, 0], [0, 0, 0], repeat(4, serve), [0, 0, 200], [0, 2, 0], [2, 0]),
    // Killed in between, and on trial.
    bytes(0, [0, 1, 0], [10, 1, 0], [1, 1], [5, 0], [5, 0], [6, 0, 0xff, 0xff], [3, 0]),
    // Chunks that nobody has asked for, and of the other image.
    bytes(
      0,
      [0, 0, 0],
      [9, 0, 0, 0],
      [9, 1, 0, 0],
      [8, 0, 1, 0, 3, 1, 2, 3, 4],
      [7, 0, 3, 0xfe, 2, 0],
      repeat(8, [6, 0, 0, 80]),
    ),
    bytes(
      1,
      0,
      [0, 0],
      [0, 0, 0, 0, 8, 0],
      [7, 0, 9],
      [0, 0, 0xb8, 1, 0xff, 0xff],
      [7, 0, 70],
      [5, 0, 0, 4],
      [6, 0, 1, 0],
    ),
    bytes(
      1,
      1,
      [9, 0],
      [1, 0, 0x70, 0x17, 1, 0],
      [3, 0, 8, 0xfe, 1, 0, 0, 0, 0, 1, 0],
      [4, 0, 0xff, 0xff],
      [4, 0, 0xff, 0xff],
    ),
  ],
  async run(input) {
    const choices = new Choices(input)
    await (choices.byte() % 2 === 0 ? fuzzDevice(choices) : fuzzSender(choices))
  },
}
