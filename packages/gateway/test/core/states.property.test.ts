import type { Session } from '@usmp/core'
import { turns, until } from '@usmp/testing'
import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import type { DeviceState } from '../../src/contract/device.js'
import { type StateFacts, stateOf } from '../../src/devices/state.js'
import { GatewayError } from '../../src/errors.js'
import {
  ADMIN,
  connectDevice,
  deviceNumber,
  Freezer,
  newKey,
  pass,
  type TestGateway,
  type TestKey,
  testGateway,
} from '../support/gateway.js'

test('there is one state for any facts, and online needs an approval and a session that was heard', () => {
  const facts = fc.record<StateFacts>({
    record: fc.constantFrom('approved', 'revoked', 'blocked', null),
    heldOut: fc.boolean(),
    waits: fc.boolean(),
    session: fc.constantFrom('none', 'silent', 'heard'),
    everSeen: fc.boolean(),
    unreachable: fc.boolean(),
  })
  fc.assert(
    fc.property(facts, (given) => {
      const state = stateOf(given)
      expect(state === null).toBe(given.record === null && !given.waits)
      expect(state === 'waiting').toBe(given.record === null && given.waits)
      const isReachable = given.record === 'approved' && !given.heldOut && !given.unreachable
      expect(state === 'online').toBe(isReachable && given.session === 'heard')
      expect(state === 'revoked').toBe(given.record === 'revoked')
      const isBlocked = given.record === 'blocked' || (given.record === 'approved' && given.heldOut)
      expect(state === 'blocked').toBe(isBlocked)
    }),
  )
})

/** What a device must be, told without any of the gateway's code. */
interface Expected {
  record: 'approved' | 'revoked' | 'blocked' | null
  /** The key in the record. */
  key: TestKey | null
  /** The key of the newest proof that waits. */
  proof: TestKey | null
  seen: boolean
  session: { readonly session: Session; readonly freezer: Freezer } | null
}

interface World {
  readonly expected: Map<string, Expected>
  isOpen: boolean
}

const IDS = [deviceNumber(1), deviceNumber(2)]
const KEYS = [newKey(), newKey()]

const stateFor = ({ record, proof, session, seen }: Expected): DeviceState | null => {
  if (!record) return proof ? 'waiting' : null
  if (record !== 'approved') return record
  return session ? 'online' : seen ? 'offline' : 'approved'
}

type Step = (world: World, made: TestGateway) => Promise<void>
interface Command {
  readonly name: string
  readonly run: Step
}

const command = (name: string, run: Step): Command => ({ name, run })
const id = fc.constantFrom(...IDS)
const key = fc.constantFrom(...KEYS)

/** A command of a person: it is carried out exactly when the model says so. */
async function person(allowed: boolean, action: () => Promise<unknown>): Promise<boolean> {
  const error = await action().then(
    () => undefined,
    (reason: unknown) => reason,
  )
  if (error && !(error instanceof GatewayError)) throw error
  expect(error === undefined, error ? String(error) : 'it was carried out').toBe(allowed)
  return allowed
}

const revOf = ({ gateway }: TestGateway, device: string) => gateway.devices().find((one) => one.id === device)?.rev ?? 0

const commands = [
  fc.constant(
    command('open the join window', async (world, { gateway }) => {
      await gateway.openJoin(ADMIN, { minutes: 60 })
      world.isOpen = true
    }),
  ),
  fc.constant(
    command('close the join window', async (world, { gateway }) => {
      await gateway.closeJoin(ADMIN)
      world.isOpen = false
    }),
  ),
  fc.tuple(id, key).map(([device, own]) =>
    command(`${device} tries with key ${KEYS.indexOf(own)}`, async (world, { gateway }) => {
      const one = world.expected.get(device)!
      const freezer = new Freezer()
      const knocks = one.record === null && world.isOpen
      const before = gateway.devices().find((row) => row.id === device)?.knock?.proofId
      const session = await connectDevice(gateway, device, own.psk, { freezer }).catch(() => undefined)
      expect(session !== undefined, 'it got a session').toBe(one.record === 'approved' && one.key === own)
      if (session) Object.assign(one, { session: { session, freezer }, seen: true })
      if (!knocks) return
      one.proof = own
      await until(() => gateway.devices().find((row) => row.id === device)?.knock?.proofId !== before)
    }),
  ),
  fc.tuple(id, key).map(([device, typed]) =>
    command(`${device} is approved with key ${KEYS.indexOf(typed)}`, async (world, { gateway }) => {
      const one = world.expected.get(device)!
      const proofId = gateway.devices().find((row) => row.id === device)?.knock?.proofId ?? 'none'
      const fits = one.record === null && one.proof === typed
      if (!(await person(fits, () => gateway.approve(ADMIN, device, { proofId, psk: typed.hex })))) return
      Object.assign(one, { record: 'approved', key: typed, proof: null })
    }),
  ),
  id.map((device) =>
    command(`${device} is revoked`, async (world, made) => {
      const one = world.expected.get(device)!
      const allowed = one.record === 'approved' || one.record === 'blocked'
      const rev = revOf(made, device)
      if (!(await person(allowed, () => made.gateway.revoke(ADMIN, device, { rev })))) return
      Object.assign(one, { record: 'revoked', key: null, session: null })
    }),
  ),
  id.map((device) =>
    command(`${device} is removed`, async (world, made) => {
      const one = world.expected.get(device)!
      const rev = revOf(made, device)
      if (!(await person(one.record !== null, () => made.gateway.remove(ADMIN, device, { rev })))) return
      Object.assign(one, { record: null, key: null, session: null, seen: false })
    }),
  ),
  id.map((device) =>
    command(`${device} is blocked`, async (world, made) => {
      const one = world.expected.get(device)!
      const allowed = one.record === null ? one.proof !== null : one.record !== 'revoked'
      const rev = revOf(made, device)
      if (!(await person(allowed, () => made.gateway.block(ADMIN, device, { rev })))) return
      Object.assign(one, { record: 'blocked', proof: null, session: null })
    }),
  ),
  id.map((device) =>
    command(`${device} is unblocked`, async (world, made) => {
      const one = world.expected.get(device)!
      const rev = revOf(made, device)
      if (!(await person(one.record === 'blocked', () => made.gateway.unblock(ADMIN, device, { rev })))) return
      one.record = one.key ? 'approved' : null
      if (!one.record) one.seen = false
    }),
  ),
  id.map((device) =>
    command(`${device} is dismissed`, async (world, { gateway }) => {
      const one = world.expected.get(device)!
      const allowed = one.record === null && one.proof !== null
      if (await person(allowed, () => gateway.dismiss(ADMIN, device))) one.proof = null
    }),
  ),
  id.map((device) =>
    command(`${device} says goodbye`, async (world) => {
      const one = world.expected.get(device)!
      await one.session?.session.close()
      one.session = null
    }),
  ),
  id.map((device) =>
    command(`${device} is stopped for more than a minute`, async (world, made) => {
      const one = world.expected.get(device)!
      one.session?.freezer.freeze()
      await pass(made, 65_000)
      one.session?.freezer.thaw()
      one.session = null
    }),
  ),
]

test('whatever people and devices do, each device is in the state that follows from approvals and sessions', async () => {
  const sequences = fc.array(fc.oneof(...commands), { minLength: 10, maxLength: 30 })
  await fc.assert(
    fc.asyncProperty(sequences, async (sequence) => {
      const made = await testGateway()
      const fresh = (): Expected => ({ record: null, key: null, proof: null, seen: false, session: null })
      const world: World = { expected: new Map(IDS.map((device) => [device, fresh()])), isOpen: false }
      for (const { name, run } of sequence) {
        await run(world, made).catch((error) => {
          throw new Error(`${name}: ${error}`, { cause: error })
        })
        await turns(3)
        for (const [device, one] of world.expected) {
          const isSo = () => (made.gateway.devices().find((row) => row.id === device)?.state ?? null) === stateFor(one)
          await until(isSo, `${device} to be ${stateFor(one)} after: ${name}`, 3_000)
        }
      }
      await made.gateway.close()
      await made.store.close()
    }),
    { numRuns: 10 },
  )
})
