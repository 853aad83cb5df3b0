// A gateway in a process of its own, on a real broker: it is killed in the midst of approvals, its disk gets full, its clock jumps,
// and a device is held up.
import { randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { Random } from '@usmp/testing'
import { table } from '@usmp/testing/markdown'
import { Mosquitto } from '@usmp/testing/mosquitto'
import { Child } from './children.js'
import type { Torture, TortureOptions } from './torture.js'

const DEVICES = 8
/** Rounds in which the gateway is killed among approvals. */
const KILLS = { long: 30, short: 3 }
/** The shortest that a gateway knows, ms. */
const IDLE_LIMIT = 5_000
/** Until something has happened, ms; on a machine that is busy with other things. */
const PATIENCE = 60_000
/** Of all devices, hex. */
const KEY = randomBytes(32).toString('hex')

interface Shown {
  readonly id: string
  readonly state: string
  readonly name: string
  readonly fingerprint: string | null
  readonly session: { readonly since: number } | null
}

interface System {
  readonly store: { readonly state: string }
  readonly clockJumps: readonly unknown[]
}

/** What a torture of the gateway found wrong; empty: nothing. */
export interface GatewayResult {
  readonly name: string
  readonly rounds: number
  readonly violations: readonly string[]
}

/** A broker, a folder, a gateway and devices, and what is wrong with them. */
class Site {
  readonly violations: string[] = []
  readonly ids: readonly string[]
  readonly #folder = mkdtempSync(join(tmpdir(), 'usmp-torture-'))
  readonly #broker: Mosquitto
  readonly #flags: readonly string[]
  gateway!: Child
  devices!: Child

  private constructor(broker: Mosquitto, count: number, flags: readonly string[]) {
    this.#broker = broker
    this.#flags = flags
    this.ids = Array.from({ length: count }, (_, n) => `02:00:00:00:01:${n.toString(16).padStart(2, '0')}`)
  }

  static async run(
    name: string,
    count: number,
    work: (site: Site) => Promise<number>,
    flags: readonly string[] = [],
  ): Promise<GatewayResult> {
    const site = new Site(await Mosquitto.start(), count, flags)
    try {
      await site.startGateway()
      site.devices = new Child('gateway-devices', { args: [site.#broker.url(), KEY, ...site.ids] })
      site.#watch(site.devices)
      const rounds = await work(site)
      return { name, rounds, violations: site.violations }
    } finally {
      await site.devices?.kill()
      await site.gateway.kill()
      await site.#broker.stop()
      rmSync(site.#folder, { recursive: true })
    }
  }

  async startGateway(): Promise<void> {
    this.gateway = new Child('gateway-server', { args: [this.#folder, this.#broker.url(), ...this.#flags] })
    this.#watch(this.gateway)
    await this.gateway.ask('devices')
  }

  async registerAll(): Promise<void> {
    for (const id of this.ids) await this.gateway.ask('register', id, KEY)
  }

  async shown(): Promise<Map<string, Shown>> {
    return new Map((await this.gateway.ask<Shown[]>('devices')).map((device) => [device.id, device]))
  }

  /** Waits until every device is in one of these states. */
  async untilAll(...states: readonly string[]): Promise<Map<string, Shown>> {
    for (const deadline = Date.now() + PATIENCE; ; await sleep(50)) {
      const shown = await this.shown()
      if (this.ids.every((id) => states.includes(shown.get(id)?.state ?? ''))) return shown
      if (Date.now() > deadline)
        throw new Error(`not all ${states}: ${JSON.stringify([...shown.values()].map(({ state }) => state))}`)
    }
  }

  /** The ids of the sessions, as the devices have them, if each answers. */
  ping(): Promise<Record<string, string | null>> {
    return this.devices.ask('ping')
  }

  check(holds: boolean, words: string): void {
    if (!holds) this.violations.push(words)
  }

  #watch(child: Child): void {
    child.onSaid(({ event, error }) => this.check(event !== 'fault', String(error)))
  }
}

/** Kills the gateway among approvals: after it each device is approved or waits, and what was confirmed is approved. */
export function killAmongApprovals({ short, seed, progress }: TortureOptions): Promise<GatewayResult> {
  const random = new Random(seed)
  const rounds = short ? KILLS.short : KILLS.long
  return Site.run('killed among approvals', DEVICES, async (site) => {
    for (let round = 1; round <= rounds; round++) {
      await knockAll(site)
      const confirmed = await approveAndKill(site, random.between(1, DEVICES - 1))
      await site.startGateway()
      await checkApprovals(site, confirmed)
      progress(`kill ${round} of ${rounds}, ${confirmed.size} of ${DEVICES} confirmed`)
      await site.gateway.ask('removeAll')
    }
    // None of them was harmed: all can be approved, and get in.
    await knockAll(site)
    await site.gateway.ask('approveAll', KEY)
    await site.untilAll('online')
    return rounds
  })
}

async function knockAll(site: Site): Promise<void> {
  await site.gateway.ask('openJoin', 5)
  await site.untilAll('waiting')
}

/** Kills the gateway when so many approvals are confirmed. Returns whose. */
async function approveAndKill(site: Site, count: number): Promise<ReadonlySet<string>> {
  const confirmed = new Set<string>()
  const reached = new Promise<void>((resolve) => {
    site.gateway.onSaid(({ event, id }) => {
      if (event === 'approved' && confirmed.add(String(id)).size >= count) resolve()
    })
  })
  await site.gateway.ask('approveAll', KEY)
  await reached
  await site.gateway.kill()
  return confirmed
}

async function checkApprovals(site: Site, confirmed: ReadonlySet<string>): Promise<void> {
  const shown = await site.shown()
  const approved = site.ids.filter((id) => ['approved', 'online', 'offline'].includes(shown.get(id)?.state ?? ''))
  for (const id of confirmed) site.check(approved.includes(id), `${id} was confirmed, and is ${shown.get(id)?.state}`)
  for (const id of approved) {
    const { name, fingerprint } = shown.get(id)!
    site.check(name === `name of ${id}` && fingerprint !== null, `${id} is approved by half: ${name}, ${fingerprint}`)
  }
  const audit = await site.gateway.ask<{ intact: boolean; approved: string[] }>('audit')
  site.check(audit.intact, 'the audit log is broken')
  site.check(
    [...audit.approved].sort().join() === [...approved].sort().join(),
    `approved are ${approved}, by the audit log ${audit.approved}`,
  )
}

/** Lets no file grow: commands are refused, sessions live on, and all is well when there is room again. */
export function fullDisk(_: TortureOptions): Promise<GatewayResult> {
  return Site.run('full disk', 2, async (site) => {
    const [id = ''] = site.ids
    await site.registerAll()
    await site.untilAll('online')
    const before = await site.ping()
    site.gateway.limitFiles('1')
    const refusal = await site.gateway.ask('change', id, { name: 'too late' })
    site.check(refusal === 'STORE_FAILED', `a change on a full disk: ${refusal}`)
    const { store } = await site.gateway.ask<System>('system')
    site.check(store.state === 'read-only', `the store is shown as ${store.state}`)
    site.check(JSON.stringify(await site.ping()) === JSON.stringify(before), 'sessions did not live on')
    site.check((await site.shown()).get(id)?.name !== 'too late', 'a refused change is shown')

    site.gateway.limitFiles('unlimited')
    const taken = await site.gateway.ask('change', id, { name: 'in time' })
    site.check(taken === null, `a change with room again: ${taken}`)
    site.check((await site.gateway.ask<System>('system')).store.state === 'ok', 'the store is still read-only')
    await site.gateway.kill()
    await site.startGateway()
    site.check((await site.shown()).get(id)?.name === 'in time', 'the change was lost')
    site.check((await site.gateway.ask<{ intact: boolean }>('audit')).intact, 'the audit log is broken')
    return 1
  })
}

/** Holds a device up for longer than its limit of silence, and lets it go on. */
export function heldUp(_: TortureOptions): Promise<GatewayResult> {
  return Site.run('device held up', 1, async (site) => {
    const [id = ''] = site.ids
    await site.registerAll()
    await site.gateway.ask('change', id, { idleLimit: IDLE_LIMIT })
    await site.untilAll('online')
    site.devices.signal('SIGSTOP')
    await site.untilAll('offline')
    site.devices.signal('SIGCONT')
    await site.untilAll('online')
    return 1
  })
}

/** Moves the time of day by hours, a hundred times a second: sessions do not depend on it, and no join window stays open by it. */
export function clockJumps(_: TortureOptions): Promise<GatewayResult> {
  const work = async (site: Site) => {
    await site.registerAll()
    await site.untilAll('online')
    const before = await site.ping()
    await site.gateway.ask('openJoin', 1)
    // Whichever clock is first: after a machine has slept, only the date knows.
    site.check(await closesSoon(site), 'the join window is open past its deadline by the date')
    const states = [...(await site.shown()).values()].map(({ state }) => state)
    site.check(
      states.every((state) => state === 'online'),
      `devices are ${states}`,
    )
    site.check(JSON.stringify(await site.ping()) === JSON.stringify(before), 'sessions did not live on')
    site.check((await site.gateway.ask<System>('system')).clockJumps.length > 0, 'no jump was noticed')
    return 1
  }
  return Site.run('clock jumps', 2, work, ['--jump'])
}

/** Whether the join window closes long before the minute for which it was opened is over. */
async function closesSoon(site: Site): Promise<boolean> {
  for (const deadline = Date.now() + 30_000; Date.now() < deadline; await sleep(200)) {
    const { open } = await site.gateway.ask<{ open: boolean }>('join')
    if (!open) return true
  }
  return false
}

const plays = [killAmongApprovals, fullDisk, heldUp, clockJumps]

export const gatewayTorture: Torture = {
  name: 'gateway',
  what: 'a gateway that is killed among approvals, on a full disk, with a clock that jumps; a device that is held up',
  async run(options) {
    const results: GatewayResult[] = []
    for (const play of plays) results.push(await play(options))
    const rows = results.map(({ name, rounds, violations }) => [name, String(rounds), violations.join('; ') || 'none'])
    return table(['torture', 'rounds', 'violations'], rows)
  },
}
