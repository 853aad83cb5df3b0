import type { Device } from '../../src/contract/device.js'
import type { LiveMessage } from '../../src/contract/live.js'
import { type Image, type Rollout, rolloutDeviceState } from '../../src/contract/rollouts.js'
import { GatewayError } from '../../src/errors.js'
import type { Operations } from '../../src/operations.js'

export const DEVICE_ID = 'aa:bb:cc:dd:ee:01'

/** A device that is online; its name looks like a formula. */
export const DEVICE: Device = {
  id: DEVICE_ID,
  rev: 3,
  state: 'online',
  since: 1_800_000_000_000,
  name: '=cmd()',
  group: null,
  firstSeenAt: 1_800_000_000_000,
  lastSeenAt: 1_800_000_000_000,
  idleLimit: 60_000,
  keySource: 'typed',
  fingerprint: '7Q4K-2MWD',
  knock: null,
  attempts: null,
  session: {
    since: 1_800_000_000_000,
    carrier: 'mqtt',
    address: 'broker',
    suite: 'x',
    roundTrips: null,
    messagesIn: 5,
    messagesOut: 7,
    dropped: {},
  },
  firmware: null,
  methods: [],
  readings: { '=temp': { value: 21.5, at: 1_800_000_000_000, unit: '@C' } },
  alarmRules: [],
  alarms: [],
  blockedUntil: null,
  replaced: [],
}

const JOIN = { open: false, until: null, remaining: null, left: null, suffix: null, openedBy: null, overflow: 0 }
const ASKED = { at: 1_800_000_000_000, by: 'anna', method: 'join', params: { wifi: 'a secret' }, duration: 3 }
export const OUTCOME = { id: 'r1', ...ASKED, result: { wifi: 'a secret' } }
export const FAILED = { id: 'r2', ...ASKED, error: { code: -32000, message: 'no a secret', data: 'a secret' } }
const BROKER = {
  state: 'connected',
  url: 'mqtt://127.0.0.1',
  since: 1_800_000_000_000,
  reason: null,
  nextTryAt: null,
} as const
const STORE = { state: 'ok', since: 1_800_000_000_000, reason: null } as const
export const IMAGE: Image = {
  id: '1a'.repeat(32),
  sha256: '2b'.repeat(32),
  size: 1000,
  product: 'sensor',
  chip: 'esp32c3',
  version: '1.2.3',
  counter: 1,
  leastVersion: '0.0.0',
  name: '=cmd()',
  keyId: '3c'.repeat(8),
  verified: true,
  addedAt: 1_800_000_000_000,
  addedBy: 'anna',
}
export const ROLLOUT: Rollout = {
  id: 'r1',
  rev: 4,
  name: 'Spring',
  image: IMAGE,
  target: { kind: 'all' },
  settings: { canary: 1, pauseAfterCanary: true, soak: 1000, waves: [100], maxParallel: 8, window: null },
  state: 'canary',
  stage: 0,
  since: 1_800_000_000_000,
  createdAt: 1_800_000_000_000,
  createdBy: 'anna',
  reason: null,
  soakUntil: null,
  counts: Object.fromEntries(rolloutDeviceState.options.map((state) => [state, 0])) as Rollout['counts'],
}
const SNAPSHOT: LiveMessage = {
  type: 'snapshot',
  now: 1_800_000_000_000,
  devices: [DEVICE],
  join: JOIN,
  broker: BROKER,
  store: STORE,
  knocksWhileClosed: 0,
}

export interface FakeOperations extends Operations {
  /** Names of the commands that were carried out, with the actor. */
  readonly calls: string[]
  /** Bytes of the last bundle. */
  received: number
  /** Replaces what `live` sends after the snapshot. */
  feed: (signal: AbortSignal) => AsyncIterable<LiveMessage>
  /** What the next command throws. */
  fail: unknown
}

/** Answers as a gateway with one device does, so that the HTTP side can be tested alone: each status, each fault, each pace. */
export function fakeOperations(): FakeOperations {
  const command =
    <T>(name: string, answer: T) =>
    async (actor: { name: string }): Promise<T> => {
      if (fake.fail !== null) throw fake.fail
      fake.calls.push(`${name} by ${actor.name}`)
      return answer
    }
  const known = (id: string) => {
    if (id !== DEVICE_ID) throw new GatewayError('NOT_FOUND', 'There is no such device.')
  }
  const fake: FakeOperations = {
    calls: [],
    received: 0,
    fail: null,
    feed: untilAborted,
    devices: () => [DEVICE],
    device: (id) => {
      known(id)
      return DEVICE
    },
    checkKey: command('checkKey', { fits: true, fingerprint: null }),
    approve: command('approve', DEVICE),
    register: command('register', DEVICE),
    importDevices: command('importDevices', { registered: 1, refused: [] }),
    change: command('change', DEVICE),
    star: command('star', DEVICE),
    revoke: command('revoke', DEVICE),
    remove: command('remove', undefined),
    block: command('block', DEVICE),
    unblock: command('unblock', undefined),
    replace: command('replace', DEVICE),
    dismiss: command('dismiss', undefined),
    ping: command('ping', { roundTrip: 12 }),
    request: command('request', OUTCOME),
    requests: () => [FAILED, OUTCOME],
    series: async (id, reading, { resolution }) => {
      known(id)
      return { id, reading, unit: '@C', resolution, at: [1_800_000_000_000, 1_800_000_060_000], mean: [-1.5, null] }
    },
    joinWindow: () => JOIN,
    openJoin: command('openJoin', { ...JOIN, open: true }),
    closeJoin: command('closeJoin', JOIN),
    images: () => [IMAGE],
    addImage: async (actor, bundle) => {
      fake.received = 0
      for await (const chunk of bundle) fake.received += chunk.length
      return command('addImage', IMAGE)(actor)
    },
    removeImage: command('removeImage', undefined),
    rollouts: () => [ROLLOUT],
    rollout: (id) => {
      if (id !== ROLLOUT.id) throw new GatewayError('NOT_FOUND', 'There is no such roll-out.')
      return { rollout: ROLLOUT, devices: [] }
    },
    startRollout: command('startRollout', ROLLOUT),
    pauseRollout: command('pauseRollout', ROLLOUT),
    resumeRollout: command('resumeRollout', ROLLOUT),
    abortRollout: command('abortRollout', ROLLOUT),
    retryRollout: command('retryRollout', ROLLOUT),
    system: () => ({
      version: '0.1.0',
      site: 'home',
      startedAt: 1_800_000_000_000,
      now: 1_800_000_000_000,
      listeners: [],
      broker: BROKER,
      store: STORE,
      devices: { online: 1 },
      sessions: 1,
      messages: { in: 5, out: 7 },
      limits: { waiting: 2 },
      dropped: { stray: 4 },
      announced: null,
      clockJumps: [],
      memory: 1000,
    }),
    brokerAcl: (broker) => `# ${broker}\n`,
    async *live(signal) {
      yield SNAPSHOT
      yield* fake.feed(signal)
    },
  }
  return fake
}

/** Nothing, for as long as somebody listens. */
async function* untilAborted(signal: AbortSignal): AsyncIterable<LiveMessage> {
  await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }))
}
