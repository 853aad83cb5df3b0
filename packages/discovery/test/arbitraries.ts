import fc from 'fast-check'
import { carrierKinds, type Facts } from '../src/facts.ts'

const chars = (alphabet: string, minLength: number, maxLength: number) =>
  fc.string({ unit: fc.constantFrom(...alphabet), minLength, maxLength })

const LETTERS = 'abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789'
const hex = (digits: number) => chars('0123456789abcdef', digits, digits)

const carriers = fc
  .subarray([...carrierKinds])
  .chain((kinds) =>
    fc.tuple(...kinds.map((kind) => fc.record({ kind: fc.constant(kind), port: fc.integer({ min: 1, max: 65_535 }) }))),
  )

const path = fc.oneof(
  fc.constant(''),
  chars(`${LETTERS}-._~/`, 0, 31).map((rest) => `/${rest}`),
)

/** What a gateway may say. */
export const gatewayFacts: fc.Arbitrary<Facts> = fc.record({
  role: fc.constant('gateway' as const),
  instance: hex(4),
  joinOpen: fc.boolean(),
  carriers,
  site: chars(`${LETTERS}_-`, 0, 32),
  path,
})

/** What a device may say. */
export const deviceFacts: fc.Arbitrary<Facts> = fc
  .record({ instance: hex(4), carriers, path, deviceId: fc.option(hex(12), { nil: undefined }) })
  .map(({ deviceId, ...facts }) => ({
    role: 'device' as const,
    joinOpen: false,
    site: '',
    ...facts,
    ...(deviceId === undefined ? {} : { deviceId }),
  }))

export const anyFacts = fc.oneof(gatewayFacts, deviceFacts)
