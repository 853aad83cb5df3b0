import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { isFinal, isTransfer } from '../../src/rollouts/device-row.js'
import { failureLimit, weightOf } from '../../src/rollouts/failure-limit.js'
import { isInWindow } from '../../src/rollouts/update-window.js'
import { type Behaviour, Model } from './model.js'

const BEHAVIOURS: readonly Behaviour[] = [
  ...(['good', 'good', 'good', 'refuses', 'rolls-back', 'fails-once', 'vanishes', 'not-now', 'loses-session'] as const),
  'foreign',
]
const DAY = 24 * 3600_000

const settings = fc.record({
  canary: fc.integer({ min: 0, max: 3 }),
  pauseAfterCanary: fc.boolean(),
  soak: fc.constantFrom(0, 5_000, 60_000),
  waves: fc.constantFrom<number[]>([100], [50, 100], [5, 25, 100]),
  maxParallel: fc.integer({ min: 1, max: 4 }),
})
const fleet = fc.array(fc.record({ behaviour: fc.constantFrom(...BEHAVIOURS), online: fc.boolean() }), {
  maxLength: 16,
})
const command = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({ type: fc.constant('pass' as const), ms: fc.integer({ min: 100, max: 120_000 }) }),
  },
  { weight: 2, arbitrary: fc.record({ type: fc.constantFrom('online' as const, 'offline' as const), n: fc.nat(15) }) },
  fc.record({ type: fc.constantFrom('pause' as const, 'resume' as const, 'restart' as const, 'abort' as const) }),
  fc.record({ type: fc.constant('late' as const), behaviour: fc.constantFrom(...BEHAVIOURS) }),
)
const story = fc.record({ settings, fleet, commands: fc.array(command, { maxLength: 25 }) })

/** What holds after each plan. */
function check(model: Model): void {
  const { rollout, rows } = model
  const transfers = [...rows.values()].filter(isTransfer).length
  expect(transfers).toBeLessThanOrEqual(rollout.settings.maxParallel)
  if (rollout.state === 'paused' || rollout.state === 'aborted') expect(transfers).toBe(0)
  for (const { stage } of rows.values()) expect(stage).toBeLessThanOrEqual(rollout.stage)
  // The limit is looked at with each plan: with it reached a roll-out does not go on.
  if (rollout.state === 'paused' || rollout.state === 'aborted') return
  for (let stage = 0; stage <= rollout.stage; stage++) {
    const own = [...rows.values()].filter((row) => row.stage === stage)
    const weight = weightOf(own) - (rollout.forgiven[stage] ?? 0)
    expect(weight).toBeLessThan(failureLimit(own.filter(({ state }) => state !== 'skipped').length))
  }
}

test('whatever devices and people do, the limits hold, and after an abort nothing begins', () => {
  fc.assert(
    fc.property(story, ({ settings, fleet, commands }) => {
      const model = new Model(settings)
      for (const [n, { behaviour, online }] of fleet.entries()) model.add(`d${n}`, behaviour, online)
      let isAborted = false
      let allowed = 0
      for (const each of commands) {
        if (each.type === 'pass') model.pass(each.ms, 1000, () => check(model))
        else if (each.type === 'late') model.add(`late${model.devices.size}`, each.behaviour)
        else if (each.type === 'restart') model.restart()
        else if (each.type === 'online' || each.type === 'offline') {
          if (model.devices.has(`d${each.n}`)) model.setOnline(`d${each.n}`, each.type === 'online')
        } else if (!isAborted) {
          model[each.type]()
          isAborted = each.type === 'abort'
        }
        model.settle(() => check(model))
        const begun = model.actions.filter(({ type }) => type !== 'stop')
        if (!isAborted) allowed = begun.length
        expect(begun.length).toBe(allowed)
      }
      for (const { state } of model.actions.filter(({ type }) => type !== 'stop')) {
        expect(['canary', 'wave', 'done', 'soaking']).toContain(state)
      }
    }),
    { numRuns: 300 },
  )
})

test('each device comes to its end, if it is there and somebody goes on with the roll-out', () => {
  fc.assert(
    fc.property(story, ({ settings, fleet, commands }) => {
      const model = new Model(settings)
      for (const [n, { behaviour, online }] of fleet.entries()) model.add(`d${n}`, behaviour, online)
      for (const each of commands) {
        if (each.type === 'pass') model.pass(each.ms)
        else if (each.type === 'late') model.add(`late${model.devices.size}`, each.behaviour)
        else if (each.type === 'restart') model.restart()
        else if (each.type === 'online' || each.type === 'offline') {
          if (model.devices.has(`d${each.n}`)) model.setOnline(`d${each.n}`, each.type === 'online')
        } else if (each.type !== 'abort') model[each.type]()
      }
      model.settle()
      for (const id of model.devices.keys()) if (!model.rows.get(id)?.state.startsWith('reb')) model.setOnline(id, true)
      const isOver = () => model.rollout.state === 'done' && [...model.rows.values()].every(isFinal)
      for (let day = 0; day < 60 && !isOver(); day++) {
        model.pass(DAY / 8, 60_000)
        if (model.rollout.state === 'paused') model.resume()
      }
      const own = [...model.devices].filter(([, { behaviour }]) => behaviour !== 'foreign').map(([id]) => id)
      if (own.length > 0) expect(model.rollout.state).toBe('done')
      for (const id of own) {
        const row = model.rows.get(id)
        expect(row && isFinal(row), `${id}: ${JSON.stringify(row)}`).toBe(true)
        if (model.devices.get(id)!.behaviour === 'good') expect(row!.state).toBe('done')
      }
    }),
    { numRuns: 60 },
  )
})

test('a window has all minutes from its beginning up to its end, also over midnight', () => {
  const minute = fc.integer({ min: 0, max: 1439 })
  fc.assert(
    fc.property(minute, minute, minute, (from, to, now) => {
      fc.pre(from !== to)
      const length = (to - from + 1440) % 1440
      expect(isInWindow({ from, to }, now)).toBe((now - from + 1440) % 1440 < length)
    }),
  )
})
