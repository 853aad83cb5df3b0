import { randomBytes } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'
import { connect } from '@usmp/node'
import { rpc } from '@usmp/rpc'
import { expect, onTestFinished, test } from 'vitest'
import { operatorApi, operatorHubApi } from '../../src/robolink/contract.ts'
import { Budget } from '../../src/robolink/hub/budget.ts'
import { type HubProgram, ROBOT, TERMINAL, worlds } from './world.ts'

const world = worlds()
const SECOND_ROBOT = '02:00:00:00:00:02'
const telemetry = {
  t: 1,
  x: 0,
  y: 0,
  theta: 0,
  v: 0,
  w: 0,
  left: 0,
  right: 0,
  battery: 1,
  temperature: 20,
  state: 'idle',
}
const LAST = 4711

/** A hub that knows two robots. */
async function twoRobots(): Promise<{ hub: HubProgram; psk: Uint8Array }> {
  const first = await world().hub()
  await first.program.end()
  const path = world().file('state/keys.json')
  const psk = randomBytes(32)
  const keys = JSON.parse(readFileSync(path, 'utf8'))
  keys.robots[SECOND_ROBOT] = { name: 'robot-2', psk: psk.toString('hex') }
  writeFileSync(path, JSON.stringify(keys), { mode: 0o600 })
  return { hub: await world().hub(), psk }
}

test.each([
  ['chat', (n: number) => ({ jsonrpc: '2.0', method: 'chat', params: { text: `line ${n} ${'x'.repeat(250)}` } })],
  ['telemetry', (n: number) => ({ jsonrpc: '2.0', method: 'telemetry', params: { n, ...telemetry } })],
  ['rubbish', (n: number) => ({ rubbish: n })],
])('a flood of %s from one robot delays nobody’s stop of another', async (_, message) => {
  const { hub, psk } = await twoRobots()
  world().robot(hub.tcp)
  await hub.program.says('robot-connected')
  const url = `usmp://${hub.tcp.slice(4)}`
  const key = Buffer.from(readFileSync(world().file('state/terminal.psk'), 'utf8').trim(), 'hex')
  const [operator, robot] = await Promise.all([
    connect(url, { deviceId: TERMINAL, psk: key }),
    connect(url, { deviceId: SECOND_ROBOT, psk }),
  ])
  onTestFinished(async () => void (await Promise.all([operator.close(), robot.close()])))
  let lines = 0
  const peer = rpc(operator, {
    serves: operatorApi,
    calls: operatorHubApi,
    notifications: { chat: () => void lines++ },
  })
  const order: string[] = []
  const flooded = (async () => {
    for await (const { n } of peer.stream('watch', { robot: SECOND_ROBOT })) if (n === LAST) break
    order.push('flood')
  })()
  const flood = (async () => {
    for (let n = 0; n < 1_500; n++) await robot.send(JSON.stringify(message(n)))
    await robot.send(JSON.stringify({ jsonrpc: '2.0', method: 'telemetry', params: { n: LAST, ...telemetry } }))
  })()
  for (let n = 0; n < 3; n++) {
    await peer.request('stop', { robot: ROBOT })
    order.push('stopped')
  }
  await Promise.all([flood, flooded])
  expect(order).toEqual(['stopped', 'stopped', 'stopped', 'flood'])
  // Twenty at once and two a second: enough to be heard, too little to be all that is heard.
  expect(lines).toBeLessThanOrEqual(100)
})

test('a budget covers a burst, and then its rate', () => {
  const budget = new Budget(3, 10)
  expect([0, 0, 0].map((now) => budget.take(now))).toEqual([0, 0, 0])
  expect(budget.take(0)).toBe(100)
  expect(budget.take(50)).toBe(50)
  expect(budget.take(100)).toBe(0)
  expect(budget.take(100)).toBe(100)
  expect(Array.from({ length: 4 }, () => budget.take(10_000) === 0)).toEqual([true, true, true, false])
})
