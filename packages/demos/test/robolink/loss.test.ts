import { setTimeout } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { AUTOPILOT, type HubProgram, type Program, type Said, worlds } from './world.js'

const world = worlds()

interface Seen extends Said {
  readonly n: number
  /** ms of the robot's own clock. */
  readonly t: number
  readonly v: number
  readonly state: string
}

/** Somebody who only looks. */
async function watcher(hub: HubProgram): Promise<Program> {
  const program = world().operator(hub.tcp, { id: AUTOPILOT, psk: world().file('state/autopilot.psk') })
  program.write('watch')
  await program.says('telemetry')
  return program
}

async function driver(hub: HubProgram): Promise<Program> {
  const program = world().operator(hub.tcp)
  program.write('drive 0.3 0')
  await program.says('driving')
  return program
}

function moving(program: Program, from = 0): Promise<Seen> {
  return program.says('telemetry', ({ v }) => v === 0.3, from) as Promise<Seen>
}

function standing(program: Program, from: number): Promise<Seen> {
  return program.says('telemetry', ({ v }) => v === 0, from) as Promise<Seen>
}

function last(program: Program): Seen {
  return program.all('telemetry').at(-1) as unknown as Seen
}

/** The dead man's 600 ms, and the time between two messages of telemetry, in which nobody can tell. */
const STOPPED_WITHIN = 700

test.each(['SIGKILL', 'SIGSTOP'] as const)(
  'an operator gets %s: the robot stops, and its telemetry goes on',
  async (signal) => {
    const hub = await world().hub()
    world().robot(hub.tcp)
    await hub.program.says('robot-connected')
    const watching = await watcher(hub)
    const driving = await driver(hub)
    await moving(watching)
    const from = watching.said.length
    const before = last(watching)
    driving.child.kill(signal)
    const stopped = await standing(watching, from)
    expect(stopped.t - before.t).toBeLessThanOrEqual(STOPPED_WITHIN)
    // A program that is killed is noticed by the hub; one that freezes only by the robot.
    expect(stopped.state).toBe(signal === 'SIGKILL' ? 'idle' : 'deadman')
    const after = (await watching.says('telemetry', ({ n }) => (n as number) >= stopped.n + 5)) as Seen
    expect(after).toMatchObject({ v: 0, state: stopped.state })
  },
)

test.each(['tcp', 'udp'] as const)(
  'the hub is killed and started again: a robot on %s and the operators are back, nothing drives',
  async (transport) => {
    const hub = await world().hub()
    const robot = world().robot(hub[transport])
    await hub.program.says('robot-connected')
    const watching = await watcher(hub)
    const driving = await driver(hub)
    await moving(watching)
    await hub.program.end('SIGKILL')
    const from = watching.said.length
    const [tcp, udp] = [hub.tcp.slice(4), hub.udp.slice(4)]
    const again = await world().hub({ tcp, udp })
    const start = performance.now()
    await Promise.all([
      again.program.says('robot-connected'),
      again.program.says('operator-connected', ({ name }) => name === 'terminal'),
      watching.says('telemetry', () => true, from),
    ])
    expect(performance.now() - start).toBeLessThan(5_000)
    // A second in which anything that was kept would have arrived.
    const back = last(watching).n
    await watching.says('telemetry', ({ n }) => (n as number) >= back + 10)
    const seen = watching.said.slice(from).filter(({ event }) => event === 'telemetry')
    expect(seen.filter(({ v }) => v !== 0)).toEqual([])
    expect(driving.all('driving').length).toBe(1)
    expect(robot.child.exitCode).toBe(null)
    driving.write('drive 0.3 0')
    await moving(watching, from)
  },
)

test('a command that waited in a frozen hub is too old to be carried out', async () => {
  const hub = await world().hub()
  world().robot(hub.tcp)
  await hub.program.says('robot-connected')
  const watching = await watcher(hub)
  const driving = world().operator(hub.tcp)
  // How late a command is, is measured against the fastest there was.
  driving.write('drive 0 0', 'drive 0 0')
  await expect.poll(() => driving.all('driving').length, { timeout: 60_000 }).toBe(2)
  hub.program.child.kill('SIGSTOP')
  driving.write('drive 0.3 0')
  await setTimeout(800)
  hub.program.child.kill('SIGCONT')
  expect(await driving.says('error')).toMatchObject({ code: -32001, exit_code: 4 })
  const { n } = last(watching)
  await watching.says('telemetry', (said) => (said.n as number) >= n + 10)
  expect(watching.all('telemetry').filter(({ v }) => v !== 0)).toEqual([])
})

test('a robot whose wall clock is ten minutes off drives like any other', async () => {
  const hub = await world().hub()
  const shift = 'const now = Date.now.bind(Date); Date.now = () => now() - 600_000'
  world().robot(hub.tcp, { env: { NODE_OPTIONS: `--import data:text/javascript,${encodeURIComponent(shift)}` } })
  await hub.program.says('robot-connected')
  const watching = await watcher(hub)
  await driver(hub)
  await moving(watching)
})

test('of two robots with one id the older is told, and does not come back', async () => {
  const hub = await world().hub()
  const older = world().robot(hub.tcp, { name: 'older' })
  await hub.program.says('robot-connected')
  const newer = world().robot(hub.tcp, { name: 'newer' })
  expect(await older.ended).toBe(5)
  expect(older.all('error')).toMatchObject([{ code: 'REPLACED', exit_code: 5 }])
  const { code, program } = await world().say(hub.tcp, ['wait 1', 'robots'])
  expect(code).toBe(0)
  expect(program.all('robot')).toMatchObject([{ name: 'newer', online: true }])
  expect(newer.all('connected').length).toBe(1)
  expect(hub.program.all('robot-connected').length).toBe(2)
})
