import { systemClock } from '@usmp/core'
import { describeOptions, faultOf } from '@usmp/testing/option-suite'
import { expect, test } from 'vitest'
import { byteRateTable } from '../src/byte-rate.ts'
import { deviceTable } from '../src/device.ts'
import { ByteRate, MemorySlots, OtaDevice, UpdateSender } from '../src/index.ts'
import { fileSlotsTable } from '../src/node/file-slots.ts'
import { FileSlots } from '../src/node.ts'
import { senderTable } from '../src/sender.ts'
import { alice } from './support/world.ts'

const device = {
  product: 'test-sensor',
  chip: 'sim',
  version: '1.0.0',
  keys: [alice.publicKey],
  port: new MemorySlots(),
  restart: () => {},
}

describeOptions([
  {
    name: 'ByteRate',
    table: byteRateTable,
    good: { clock: systemClock, bytesPerSecond: 1000 },
    call: (options) => new ByteRate(options),
  },
  { name: 'UpdateSender', table: senderTable, good: {}, call: (options) => new UpdateSender(options) },
  { name: 'OtaDevice.open', table: deviceTable, good: device, call: (options) => OtaDevice.open(options) },
  {
    name: 'FileSlots.open',
    table: fileSlotsTable,
    good: { folder: '/nowhere', running: 0 },
    call: (options) => FileSlots.open(options),
  },
])

test.each<[string, object, RegExp]>([
  ['a version that is none', { version: '1.2' }, /"1.2" is not a version/],
  ['a key of another length', { keys: [new Uint8Array(31)] }, /a publisher's key must be 32 bytes/],
  ['a key under which anybody can sign', { keys: [new Uint8Array(32)] }, /no publisher's key/],
  ['no key', { keys: [] }, /keys must be a list of 1 to 3 public keys/],
  ['a step that is no sector', { recordStep: 5000 }, /recordStep must be a multiple of 4096/],
])('OtaDevice.open refuses %s', async (_, changes, message) => {
  expect(await faultOf(() => OtaDevice.open({ ...device, ...changes }))).toMatch(message)
})
