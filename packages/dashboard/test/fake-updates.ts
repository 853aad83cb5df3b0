import type { Device, Image, LiveMessage, Rollout, RolloutDevice, RolloutDeviceState } from '@usmp/gateway/contract'
import type { Page, Route, WebSocketRoute } from 'playwright-core'

const MINUTE = 60_000
const MIB = 1024 * 1024

export const image = (changes: Partial<Image> = {}): Image => ({
  id: '1f'.repeat(32),
  sha256: '8c'.repeat(32),
  size: 1.2 * MIB,
  product: 'greenhouse',
  chip: 'esp32c3',
  version: '2.4.0',
  counter: 7,
  leastVersion: '2.0.0',
  name: 'Greenhouse 2.4',
  keyId: 'a1b2c3d4e5f60718',
  verified: true,
  addedAt: Date.now() - 3 * 60 * MINUTE,
  addedBy: 'ada',
  ...changes,
})

export const rollout = (changes: Partial<Rollout> = {}): Rollout => ({
  id: 'r1',
  rev: 3,
  name: 'Greenhouse 2.4',
  image: image(),
  target: { kind: 'all' },
  settings: {
    canary: 1,
    pauseAfterCanary: true,
    soak: 10 * MINUTE,
    waves: [5, 25, 100],
    maxParallel: 8,
    window: null,
  },
  state: 'canary',
  stage: 0,
  since: Date.now() - 2 * MINUTE,
  createdAt: Date.now() - 20 * MINUTE,
  createdBy: 'ada',
  reason: null,
  soakUntil: null,
  counts: {} as Rollout['counts'],
  ...changes,
})

export const rolloutDevice = (n: number, state: RolloutDeviceState, changes: Partial<RolloutDevice> = {}) =>
  ({
    id: idOf(n),
    state,
    stage: 1,
    since: Date.now() - MINUTE,
    offset: null,
    attempts: 1,
    retryAt: null,
    code: null,
    reason: null,
    ...changes,
  }) satisfies RolloutDevice

export const idOf = (n: number) => `5c:cf:7f:10:aa:${n.toString(16).padStart(2, '0')}`

/** A device that is online and has told of its firmware; `null`: it takes no updates. */
export function device(n: number, updates: Partial<NonNullable<Device['updates']>> | null = {}): Device {
  return {
    id: idOf(n),
    rev: 1,
    state: 'online',
    since: Date.now() - 3 * 60 * MINUTE,
    name: `Bed ${n}`,
    group: n % 2 ? 'North' : 'South',
    firstSeenAt: 0,
    lastSeenAt: Date.now(),
    idleLimit: MINUTE,
    keySource: 'master',
    fingerprint: '7Q4K-2MWD',
    knock: null,
    attempts: null,
    session: null,
    firmware: null,
    updates: updates && {
      product: 'greenhouse',
      chip: 'esp32c3',
      version: '2.3.1',
      counter: 6,
      sha256: '00'.repeat(32),
      state: 'confirmed',
      rollback: true,
      keys: ['a1b2c3d4e5f60718'],
      rollout: null,
      ...updates,
    },
    methods: [],
    readings: {},
    alarmRules: [],
    alarms: [],
    blockedUntil: null,
    replaced: [],
  }
}

/** What a page asked the gateway to do. */
export interface Asked {
  readonly method: string
  readonly path: string
  readonly body: unknown
}

/**
 * Stands between a page and its gateway, and plays everything about updates and devices: for states that take a real gateway an hour.
 * Log-in, time and everything else come from the gateway.
 */
export class FakeUpdates {
  readonly asked: Asked[] = []
  images: Image[] = []
  devices: Device[] = []
  readonly #rollouts = new Map<string, { rollout: Rollout; devices: RolloutDevice[] }>()
  #socket: WebSocketRoute | undefined
  /** What the gateway answers to an act, in place of the roll-out; for one act. */
  refusal: { status: number; code: string; message: string; hint: string | null } | null = null

  async stand(page: Page): Promise<void> {
    await page.routeWebSocket(/\/api\/live$/, (socket) => {
      const server = socket.connectToServer()
      this.#socket = socket
      server.onMessage((text) => {
        const message = JSON.parse(String(text)) as LiveMessage
        if (message.type === 'snapshot') {
          this.tell({ ...message, devices: this.devices })
          this.tell({ type: 'rollouts', rollouts: this.#list() })
          this.tell({ type: 'images', images: this.images })
        } else if (message.type === 'heartbeat') socket.send(text)
      })
    })
    await page.route(/\/api\/(rollouts|images)/, (route) => this.#answer(route))
  }

  /** Puts a roll-out with its devices there, and tells the page; counts are those of the devices. */
  put(value: Rollout, devices: RolloutDevice[]): void {
    const counts: Partial<Rollout['counts']> = {}
    for (const { state } of devices) counts[state] = (counts[state] ?? 0) + 1
    const known = { rollout: { ...value, counts: counts as Rollout['counts'] }, devices }
    this.#rollouts.set(value.id, known)
    this.tell({ type: 'rolloutDevices', id: value.id, devices })
    this.tell({ type: 'rollout', rollout: known.rollout })
  }

  tell(message: LiveMessage): void {
    this.#socket?.send(JSON.stringify(message))
  }

  #list(): Rollout[] {
    return [...this.#rollouts.values()].map(({ rollout }) => rollout)
  }

  async #answer(route: Route): Promise<void> {
    const request = route.request()
    const method = request.method()
    const path = new URL(request.url()).pathname.slice('/api/'.length)
    const id = path.split('/')[1]
    if (method !== 'GET') {
      const isJson = request.headers()['content-type'] === 'application/json'
      this.asked.push({ method, path, body: isJson ? request.postDataJSON() : request.postDataBuffer()?.length })
      const { refusal } = this
      this.refusal = null
      if (refusal) {
        const { status, ...error } = refusal
        return route.fulfill({ status, json: { error } })
      }
    }
    if (path === 'images') return route.fulfill({ json: method === 'POST' ? this.images[0] : { images: this.images } })
    if (path.startsWith('images/')) return route.fulfill({ status: 204 })
    const known = this.#rollouts.get(id ?? [...this.#rollouts.keys()][0] ?? '')
    if (!known)
      return route.fulfill({
        status: 404,
        json: { error: { code: 'NOT_FOUND', message: 'No such roll-out.', hint: null } },
      })
    return route.fulfill({ json: method === 'GET' ? known : known.rollout })
  }
}
