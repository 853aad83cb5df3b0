import { mkdtemp, readFile, rm, truncate, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { systemClock } from '@usmp/core'
import { Random, until } from '@usmp/testing'
import { describe, expect, onTestFinished, test } from 'vitest'
import { type DevicePort, imageOf, MemorySlots, OtaCode, OtaDevice, VerifiedImage } from '../src/index.ts'
import { FileSlots, installSlots, startSlots } from '../src/node.ts'
import { alice, hexOf, type Meeting, manifestFor, meet } from './support/world.ts'

const OLD = Buffer.from('the old image')
const image = new Random(11).bytes(200_000)

async function folder(): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'usmp-slots-'))
  onTestFinished(() => rm(path, { recursive: true, force: true }))
  return path
}

/** The folder of a device that was installed. */
async function installed(): Promise<string> {
  const at = await folder()
  await writeFile(join(at, 'first'), OLD)
  await installSlots(join(at, 'device'), join(at, 'first'))
  return join(at, 'device')
}

/** A start of the device: what a process of its own would do. Files are written in real time. */
async function boot(path: string) {
  const { running, path: program } = await startSlots(path)
  const port = await FileSlots.open({ folder: path, running, slotSize: 1 << 20 })
  const faults: unknown[] = []
  let restarts = 0
  const device = await OtaDevice.open({
    product: 'test-sensor',
    chip: 'sim',
    version: '1.0.0',
    keys: [alice.publicKey],
    port,
    restart: () => void restarts++,
    onFault: (fault) => faults.push(fault),
  })
  onTestFinished(async () => {
    device.close()
    await port.close()
  })
  const session = () => meet(device, { clock: systemClock, latency: 0 })
  return { running, program: await readFile(program), device, session, faults, restarted: () => restarts > 0 }
}

async function send({ sender, gateway }: Meeting) {
  const manifest = manifestFor(image)
  return sender.send(gateway, { manifest, image: await VerifiedImage.open(imageOf(image), manifest) })
}

/** Sends until so many messages have left, then the process of the device is killed. */
async function killedAfter(messages: number, { device, session }: Awaited<ReturnType<typeof boot>>) {
  const meeting = session()
  const lost = send(meeting).catch((error: unknown) => error)
  await until(() => meeting.link.gateway.sent.length > messages)
  device.close()
  meeting.link.cut()
  await lost
}

describe('slots in files', () => {
  test('take an update over restarts: cut, resumed, on trial, confirmed', async () => {
    const path = await installed()
    const first = await boot(path)
    expect(first).toMatchObject({ running: 0, program: OLD })
    await killedAfter(300, first)
    const second = await boot(path)
    expect(second).toMatchObject({ running: 0, program: OLD })
    const meeting = second.session()
    const { have } = await send(meeting)
    // The last note, not all that was written.
    expect(have).toBeGreaterThan(0)
    expect(have % 65_536).toBe(0)
    await meeting.gateway.request('ota.apply', { sha256: hexOf(image) })
    await until(second.restarted)
    meeting.link.cut()
    const third = await boot(path)
    expect([third.running, third.program.equals(image)]).toEqual([1, true])
    expect(third.device.state.state).toBe('pending')
    const { events } = third.session()
    await until(() => events.length > 0)
    const fourth = await boot(path)
    expect([fourth.running, fourth.program.equals(image)]).toEqual([1, true])
    expect(fourth.device.state).toMatchObject({ state: 'confirmed', counter: 1, sha256: hexOf(image) })
    expect([first, second, third, fourth].flatMap(({ faults }) => faults)).toEqual([])
  })

  test('go back from an image that was started twice without confirming itself', async () => {
    const path = await installed()
    const meeting = (await boot(path)).session()
    await send(meeting)
    await meeting.gateway.request('ota.apply', { sha256: hexOf(image) })
    meeting.link.cut()
    expect((await startSlots(path)).running).toBe(1)
    const back = await boot(path)
    expect(back).toMatchObject({ running: 0, program: OLD })
    expect(back.device.state).toMatchObject({ state: 'confirmed', rolledBack: hexOf(image), counter: 0 })
  })

  test('a slot that is shorter than the record says is no image: the transfer begins at 0 the next time', async () => {
    const path = await installed()
    await killedAfter(300, await boot(path))
    await truncate(join(path, 'slot-1'), 1000)
    const meeting = (await boot(path)).session()
    await expect(send(meeting)).rejects.toMatchObject({ code: 'FAILED', deviceCode: OtaCode.WRONG_IMAGE })
    expect(await send(meeting)).toEqual({ have: 0, sent: image.length })
  })

  test('are installed once', async () => {
    const path = await installed()
    await expect(installSlots(path, join(path, 'slot-0'))).rejects.toThrow(/has slots already/)
    await expect(FileSlots.open({ folder: path, running: 2 })).rejects.toThrow(/running must be/)
    await writeFile(join(path, 'slots.json'), '{"format":1,"active":3,"states":[]}')
    await expect(startSlots(path)).rejects.toThrow()
    await expect(startSlots(await folder())).rejects.toThrow(/ENOENT/)
  })
})

describe('a boot loader', () => {
  test.each<[string, () => Promise<{ port: DevicePort; start: () => Promise<number> }>]>([
    [
      'in memory',
      async () => {
        const port = new MemorySlots()
        const start = async () => {
          port.start()
          return (await port.slots()).running.index
        }
        return { port, start }
      },
    ],
    [
      'of files',
      async () => {
        const path = await installed()
        let port = await FileSlots.open({ folder: path, running: 0 })
        const start = async () => {
          const { running } = await startSlots(path)
          await port.close()
          port = await FileSlots.open({ folder: path, running })
          return running
        }
        const current = new Proxy({} as DevicePort, {
          get:
            (_, name) =>
            (...args: unknown[]) =>
              (port as never as Record<string, (...args: unknown[]) => unknown>)[name as string]!(...args),
        })
        return { port: current, start }
      },
    ],
  ])('%s follows the table of ESP-IDF', async (_, make) => {
    const { port, start } = await make()
    const states = async () => {
      const { running, other } = await port.slots()
      return [running, other].sort((a, b) => a.index - b.index).map(({ state }) => state)
    }
    const update = async () => {
      await port.begin(4, 0)
      await port.write(0, image.subarray(0, 4))
      expect(await port.finish()).toBe(true)
      await port.activate()
    }
    expect(await start()).toBe(0)
    // There is nothing to go back to yet.
    await port.begin(4, 0)
    await port.revert()
    await expect(start()).rejects.toThrow(/no slot has an image/)
    await port.confirm()
    expect(await start()).toBe(0)
    await update()
    expect(await states()).toEqual(['valid', 'new'])
    expect(await start()).toBe(1)
    expect(await states()).toEqual(['valid', 'pending'])
    expect(await start()).toBe(0)
    expect(await states()).toEqual(['valid', 'aborted'])
    expect(await start()).toBe(0)
    await update()
    expect(await start()).toBe(1)
    await port.confirm()
    expect(await start()).toBe(1)
    expect(await states()).toEqual(['valid', 'valid'])
    await update()
    expect(await states()).toEqual(['new', 'valid'])
    expect(await start()).toBe(0)
    await port.revert()
    expect(await start()).toBe(1)
    expect(await states()).toEqual(['invalid', 'valid'])
    // What is being written is never started, however often the power is cut.
    await port.begin(1000, 0)
    await port.write(0, image.subarray(0, 440))
    expect(await start()).toBe(1)
    expect(await states()).toEqual(['undefined', 'valid'])
  })
})
