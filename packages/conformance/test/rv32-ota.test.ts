import { randomBytes } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { listen, type Server } from '@usmp/node'
import { type Manifest, OtaCode } from '@usmp/ota'
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest'
import { buildImage, Chip } from '../src/chip.js'
import { nextVisit, Publisher, type UpdateVisit } from './update-gateway.js'

const deviceId = '02:c0:ff:ee:00:06'
const psk = new Uint8Array(randomBytes(32))
const publisher = new Publisher(1)
/** Bytes of the board's flash: 0xff where nothing was written. */
const FLASH_SIZE = 32 << 20
const folder = mkdtempSync(join(tmpdir(), 'usmp-flash-'))
const flash = join(folder, 'flash.bin')

let built: string
let chip: Chip
let server: Server

function image(name: 'old' | 'new' | 'crashes' | 'mute'): Uint8Array {
  return readFileSync(join(built, `${name}.bin`))
}

function sign(bytes: Uint8Array, counter = 1): Manifest {
  return publisher.sign(bytes, { chip: 'rv32', counter })
}

function powerOn(): void {
  chip = new Chip(join(built, 'loader.elf'), deviceId, psk, flash)
}

/** The flash stays as it is. */
async function powerCut(): Promise<void> {
  await chip.powerOff()
  powerOn()
}

beforeAll(() => {
  built = buildImage('updates.sh', Buffer.from(publisher.publicKey).toString('hex'))
}, 600_000)

beforeEach(async () => {
  const blank = Buffer.alloc(FLASH_SIZE, 0xff)
  blank.set(image('old'))
  writeFileSync(flash, blank)
  powerOn()
  // A chip that crashes says no goodbye.
  const patience = { keepalive: 1000, idleTimeout: 3000 }
  server = await listen({ serial: { name: 'uart', open: () => chip.open() }, psk: { [deviceId]: psk }, ...patience })
})

afterEach(async () => {
  await server.close()
  await chip.powerOff()
})

afterAll(() => rmSync(folder, { recursive: true, force: true }))

async function apply(visit: UpdateVisit, manifest: Manifest): Promise<UpdateVisit> {
  await visit.apply(manifest)
  return await nextVisit(server)
}

test('a chip takes an update over its UART, the boot loader starts it, and it confirms itself', async () => {
  const visit = await nextVisit(server)
  expect(await visit.state()).toMatchObject({ chip: 'rv32', version: '1.0.0', state: 'confirmed' })
  const other = new Publisher(2).sign(image('new'), { chip: 'rv32' })
  await expect(visit.send(image('new'), other)).rejects.toMatchObject({ deviceCode: OtaCode.UNKNOWN_KEY })
  const manifest = sign(image('new'), 4)
  await visit.send(image('new'), manifest)
  const after = await apply(visit, manifest)
  expect(await after.confirmed()).toMatchObject({ version: '1.1.0', counter: 4, rollback: true })
  expect(chip.line).toMatch(/starts slot 0[\s\S]*starts slot 1\r\n[\s\S]*on trial, version 1\.1\.0/)
  await powerCut()
  expect(await (await nextVisit(server)).state()).toMatchObject({ version: '1.1.0', state: 'confirmed' })
})

test.each([
  ['crashes', 'crashes'],
  ['cannot connect', 'mute'],
] as const)('an image that %s goes back to the one before, and it is told', async (_, name) => {
  const visit = await nextVisit(server)
  const manifest = sign(image(name), 9)
  await visit.send(image(name), manifest)
  const after = await apply(visit, manifest)
  const sha256 = Buffer.from(manifest.sha256).toString('hex')
  expect(await after.state()).toMatchObject({ version: '1.0.0', counter: 0, rolledBack: sha256 })
  expect(chip.line).toMatch(/starts slot 1[\s\S]*starts slot 0/)
})

test('a power cut at 60 % of the transfer: it goes on where the flash ends', async () => {
  const visit = await nextVisit(server)
  const bytes = image('new')
  const manifest = sign(bytes)
  await expect(visit.send(bytes, manifest, { at: bytes.length * 0.6, run: powerCut })).rejects.toThrow()
  const again = await nextVisit(server)
  const { have } = await again.send(bytes, manifest)
  expect(have).toBeGreaterThan(bytes.length / 4)
  expect(await (await apply(again, manifest)).confirmed()).toMatchObject({ version: '1.1.0' })
})
