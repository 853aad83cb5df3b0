import type { Session } from '@usmp/core'
import { expect, test } from 'vitest'
import { CommandSlots, MAX_COMMANDS } from '../src/command-slots.js'

/** What of a session counts here. */
class Device {
  readonly #end = new AbortController()
  readonly deviceId: string

  constructor(deviceId: string) {
    this.deviceId = deviceId
  }
  get signal(): AbortSignal {
    return this.#end.signal
  }
  end(): void {
    this.#end.abort()
  }
  get session(): Session {
    return this as unknown as Session
  }
}

const settled = async (promise: Promise<unknown>) => {
  const nothing = {}
  return (await Promise.race([promise, new Promise((resolve) => setImmediate(resolve, nothing))])) !== nothing
}

test('commands do not grow without bound: the first beyond the limit waits for one that ends', async () => {
  const slots = new CommandSlots()
  const devices = Array.from({ length: MAX_COMMANDS + 1 }, (_, i) => new Device(String(i)))
  for (const { session } of devices.slice(0, MAX_COMMANDS)) expect(await slots.acquire(session)).toBe(true)
  const last = slots.acquire(devices.at(-1)!.session)
  expect(await settled(last)).toBe(false)
  slots.release(devices[7]!.session)
  expect(await last).toBe(true)
})

test('a device that comes again and again has one command at a time', async () => {
  const slots = new CommandSlots()
  const [first, second, third] = [new Device('a'), new Device('a'), new Device('a')]
  expect(await slots.acquire(first.session)).toBe(true)
  const replaced = slots.acquire(second.session)
  const newest = slots.acquire(third.session)
  second.end()
  expect(await replaced).toBe(false)
  expect(await settled(newest)).toBe(false)
  slots.release(first.session)
  expect(await newest).toBe(true)
  expect(await slots.acquire(new Device('b').session)).toBe(true)
})
