// Several operators, a hub and one robot after another, in one process: every message comes when the scheduler says so, in
// any order. Nothing that was sent before a stop was confirmed, or before the robot's session began, may be obeyed after it.
import type { Session, UsmpError } from '@usmp/core'
import { UsmpError as Fault } from '@usmp/core'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { Known } from '../../src/robolink/hub/keys.ts'
import { type Driver, RobotSession } from '../../src/robolink/hub/robot-session.ts'
import { Robot } from '../../src/robolink/robot/robot.ts'

type Deliver = (label: string, act: () => void) => void

/** One end of a session whose messages come in whatever order `deliver` has them. */
class End {
  readonly maxMessage = 1808
  readonly transportKind = 'datagram'
  readonly #controller = new AbortController()
  readonly signal = this.#controller.signal
  readonly #deliver: Deliver
  readonly #inbox: Uint8Array[] = []
  #wake = () => {}
  #reason: UsmpError | undefined
  #end!: (reason: UsmpError) => void
  readonly closed = new Promise<UsmpError>((resolve) => (this.#end = resolve))
  other!: End
  /** Sees what this end sends. */
  onSent: (message: { method?: string; id?: number; params?: { v?: number }; result?: { v?: number } }) => void =
    () => {}

  constructor(deliver: Deliver) {
    this.#deliver = deliver
  }

  async send(message: Uint8Array | string): Promise<void> {
    this.trySend(message)
  }

  trySend(message: Uint8Array | string): boolean {
    if (this.#reason) throw this.#reason
    const bytes = typeof message === 'string' ? Buffer.from(message) : message
    this.onSent(JSON.parse(Buffer.from(bytes).toString()))
    this.#deliver('message', () => this.other.#take(bytes))
    return true
  }

  async receive(): Promise<Uint8Array | undefined> {
    for (;;) {
      const next = this.#inbox.shift()
      if (next) return next
      if (this.#reason) throw this.#reason
      await new Promise<void>((resolve) => (this.#wake = resolve))
    }
  }

  ping(): Promise<number> {
    return new Promise(() => {})
  }

  /** Both ends are over. */
  async close(reason = new Fault('CLOSED')): Promise<void> {
    for (const end of [this, this.other]) {
      if (end.#reason) continue
      end.#reason = reason
      end.#controller.abort(reason)
      end.#end(reason)
      end.#wake()
    }
  }

  #take(bytes: Uint8Array): void {
    if (this.#reason) return
    this.#inbox.push(bytes)
    this.#wake()
  }
}

function session(deliver: Deliver): { hub: End; robot: End } {
  const [hub, robot] = [new End(deliver), new End(deliver)]
  hub.other = robot
  robot.other = hub
  return { hub, robot }
}

const operators: Driver[] = ['Ann', 'Bea', 'Cem'].map((name, n) => ({ id: `02:00:00:00:01:0${n}`, name }))

const act = fc.record({
  what: fc.constantFrom('drive', 'drive', 'drive', 'stop', 'take', 'release', 'replace', 'look'),
  who: fc.nat(operators.length - 1),
})

test('with any operators, any delays and any robot of this id, a confirmed stop ends what was sent before it, and so does a new session', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(act, { minLength: 2, maxLength: 14 }), fc.scheduler(), async (acts, scheduler) => {
      let time = 0
      let confirmedAt = 0
      const sentAt = new Map<number, number>()
      const wrong: string[] = []
      const deliver: Deliver = (label, act) => void scheduler.schedule(Promise.resolve(), label).then(act)
      const events = { changed: () => {}, chat: () => {}, isTaken: () => false, fault: () => {} }
      const robotSession = new RobotSession(
        { id: '02:00:00:00:00:01', name: 'rover', psk: new Uint8Array(32) } as Known,
        events,
      )
      const ends: End[] = []
      const serve = () => {
        const { hub, robot } = session(deliver)
        const asked = new Map<number, number>()
        const began = ++time
        hub.onSent = ({ method, id, params }) => method === 'drive' && asked.set(id!, params!.v!)
        // What it answers to a `drive` with a result, it has carried out.
        robot.onSent = ({ id, result }) => {
          const sent = sentAt.get(asked.get(id!) ?? Number.NaN)
          if (!result || sent === undefined) return
          if (sent < confirmedAt) wrong.push(`sent at ${sent}, stopped at ${confirmedAt}`)
          if (sent < began) wrong.push(`sent at ${sent}, the session began at ${began}`)
        }
        void robotSession.serve(hub as unknown as Session)
        void new Robot('rover', () => 0).serve(robot)
        void ends.at(-1)?.close(new Fault('REPLACED'))
        ends.push(hub)
      }
      /** What each operator knows: the hub's news come late too. */
      const known = operators.map(() => 0)
      serve()
      for (const [n, { what, who }] of acts.entries()) {
        const by = operators[who]!
        time++
        if (what === 'drive') {
          // Its speed is its name.
          const v = (n + 1) / 1000
          sentAt.set(v, time)
          const fence = known[who]!
          deliver(
            'drive',
            () => void robotSession.drive(by, { v, w: 0 }, fence, new AbortController().signal).catch(() => {}),
          )
        } else if (what === 'stop') {
          deliver('stop', () => {
            const confirm = (fence: number) => {
              confirmedAt = ++time
              known[who] = fence
            }
            robotSession.stop(by).then(confirm, () => {})
          })
        } else if (what === 'take') {
          deliver('take', () => void (known[who] = robotSession.take(by, true)))
        } else if (what === 'release') {
          deliver('release', () => robotSession.release(by))
        } else if (what === 'replace') {
          deliver('replace', serve)
        } else {
          deliver('look', () => void (known[who] = robotSession.info.fence))
        }
        await scheduler.waitNext(1)
      }
      await scheduler.waitIdle()
      expect(wrong).toEqual([])
      await ends.at(-1)!.close()
      await scheduler.waitIdle()
    }),
    { numRuns: 300 },
  )
})
