import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { api, gateway, type Started, setUp, stop, until } from './gateway-run.js'
import { signed } from './signed.js'
import { DEVICE, directory, done, KEY, OTHER_DEVICE, OTHER_KEY, usmp } from './usmp.js'

interface Detail {
  readonly rollout: { readonly state: string; readonly counts: Record<string, number>; readonly reason: string | null }
  readonly devices: readonly { readonly id: string; readonly state: string; readonly offset: number | null }[]
}

/** A roll-out over gateways that are killed, one after the other, in the same folder and at the same port. */
class Story {
  run!: Started
  readonly data: string
  readonly jar: { cookie?: string }
  #id = ''
  readonly #tcp: string

  private constructor(data: string, run: Started, jar: { cookie?: string }, tcp: string) {
    this.data = data
    this.run = run
    this.jar = jar
    this.#tcp = tcp
  }

  static async begin(): Promise<Story> {
    const data = join(await directory(), 'gateway')
    const run = await gateway(data, '--tcp', '127.0.0.1:0')
    const [, tcp] = /devices +tcp (\S+)/.exec(run.stderr)!
    return new Story(data, run, await setUp(run), tcp!)
  }

  get tcp(): string {
    return this.#tcp
  }

  async push(bundle: string, ...args: string[]): Promise<void> {
    const pushed = await done('ota', 'push', bundle, '--data', this.data, '--json', ...args)
    expect(pushed.code, pushed.stderr).toBe(0)
    this.#id = String(pushed.objects()[0]!.id)
  }

  detail = async (): Promise<Detail> =>
    (await (await api(this.run.page, `/api/rollouts/${this.#id}`, undefined, this.jar)).json()) as Detail

  /** Kills the gateway as soon as the roll-out is so far, and starts it again. */
  async killWhen(isSoFar: (detail: Detail) => boolean): Promise<void> {
    await until(async () => (isSoFar(await this.detail()) ? true : undefined))
    this.run.child.kill('SIGKILL')
    await this.run.exit()
    this.run = await gateway(this.data, '--tcp', this.#tcp)
  }
}

test('a gateway that is killed amid a transfer, a restart and a soak goes on with the roll-out each time', async () => {
  const story = await Story.begin()
  const { key, bundle, folder } = await signed('1.1.0', 1, 4_000_000)
  for (const [id, psk] of [
    [DEVICE, KEY],
    [OTHER_DEVICE, OTHER_KEY],
  ]) {
    expect((await api(story.run.page, '/api/devices', { id, psk }, story.jar)).ok).toBe(true)
  }
  const table = join(folder, 'table.json')
  await writeFile(table, JSON.stringify({ [DEVICE]: KEY, [OTHER_DEVICE]: OTHER_KEY }), { mode: 0o600 })
  const place = ['--tcp', story.tcp, '--psk-table', table, '--publisher-key', key]
  const sensors = usmp('sim', 'sensor', ...place, '--json')
  await story.push(bundle, '--no-pause', '--soak', '3s', '--waves', '100', '--parallel', '1')

  await story.killWhen(({ devices }) => devices.some(({ offset }) => offset !== null && offset > 0))
  expect((await story.detail()).rollout.state).toBe('canary')
  await story.killWhen(({ devices }) => devices.some(({ state }) => state === 'rebooting' || state === 'verifying'))
  await story.killWhen(({ rollout }) => rollout.state === 'soaking')
  expect((await story.detail()).rollout).toMatchObject({ state: 'soaking', counts: { done: 1 } })
  await until(async () => ((await story.detail()).rollout.state === 'done' ? true : undefined))
  expect((await story.detail()).rollout.counts).toMatchObject({ done: 2, failed: 0, 'rolled-back': 0 })

  // Each device has restarted into the image once, whatever became of the gateway.
  const trials = sensors.objects('stderr').filter(({ event, on_trial }) => event === 'version' && on_trial)
  expect(trials.map(({ device_id }) => device_id).sort()).toEqual([OTHER_DEVICE, DEVICE].sort())
  const verified = await done('gateway', 'audit', 'verify', '--data', story.data)
  expect(verified.code, verified.stderr).toBe(0)
  sensors.child.kill()
  await stop(story.run)
})
