import { describe, expect, test } from 'vitest'
import { UsmpError } from '../src/errors.ts'
import { WaitQueue } from '../src/wait-queue.ts'

/** What a promise fails with; the promise counts as handled from now on. */
const failureOf = (promise: Promise<unknown>) =>
  promise.then(
    () => undefined,
    (error: unknown) => error,
  )

describe('a wait queue', () => {
  test('hands out the callers in the order in which they came', async () => {
    const queue = new WaitQueue<number, string>()
    const promises = ['a', 'b', 'c'].map((data) => queue.wait(undefined, data))
    expect(queue.waiters.map(({ data }) => data)).toEqual(['a', 'b', 'c'])
    for (let value = 1; queue.size > 0; value++) queue.shift()!.resolve(value)
    expect(await Promise.all(promises)).toEqual([1, 2, 3])
    expect(queue.shift()).toBeUndefined()
  })

  test('gives up any one of them', async () => {
    const queue = new WaitQueue<void, string>()
    const [first, second] = [queue.wait(undefined, 'a'), queue.wait(undefined, 'b')]
    const chosen = queue.waiters.find(({ data }) => data === 'b')!
    queue.remove(chosen)
    queue.remove(chosen)
    chosen.reject(new Error('chosen'))
    expect(await failureOf(second)).toMatchObject({ message: 'chosen' })
    expect(queue.size).toBe(1)
    queue.shift()!.resolve()
    await first
  })

  test('resolves or rejects all, and takes new callers after that', async () => {
    const queue = new WaitQueue<number>()
    const promises = [queue.wait(undefined), queue.wait(undefined)]
    queue.resolveAll(7)
    expect(await Promise.all(promises)).toEqual([7, 7])
    const reason = new UsmpError('CLOSED')
    const failures = [queue.wait(undefined), queue.wait(undefined)].map(failureOf)
    queue.rejectAll(reason)
    for (const failure of failures) expect(await failure).toBe(reason)
    expect(queue.size).toBe(0)
    const last = queue.wait(undefined)
    queue.shift()!.resolve(1)
    expect(await last).toBe(1)
  })

  test('a caller that joins while another one is called off stays', async () => {
    const queue = new WaitQueue<void>()
    let again: Promise<void> | undefined
    const ended = new AbortController()
    const calledOff = queue.wait(ended.signal, undefined, () => (again = queue.wait(undefined)))
    calledOff.catch(() => {})
    ended.abort()
    expect(queue.size).toBe(1)
    queue.resolveAll()
    await again
  })

  test('at the limit says how many wait, and for what', async () => {
    const queue = new WaitQueue<void>(2, 'requests wait for a session')
    const waiting = [queue.wait(undefined), queue.wait(undefined)]
    expect(await failureOf(queue.wait(undefined))).toMatchObject({
      code: 'QUEUE_FULL',
      message: expect.stringContaining('2 requests wait for a session'),
    })
    queue.shift()!.resolve()
    waiting.push(queue.wait(undefined))
    queue.resolveAll()
    await Promise.all(waiting)
  })
})

describe('a wait queue and abort signals', () => {
  test('a signal that has aborted already: the caller never joins', async () => {
    const queue = new WaitQueue<void>()
    const reason = new Error('enough')
    expect(await failureOf(queue.wait(AbortSignal.abort(reason)))).toMatchObject({ code: 'ABORTED', cause: reason })
    expect(queue.size).toBe(0)
  })

  test('a caller that is called off leaves at once, and keeps no place in a bounded queue', async () => {
    const queue = new WaitQueue<string>(2)
    const { signal, abort } = controller()
    const first = failureOf(queue.wait(signal))
    const second = queue.wait(undefined)
    const reason = new Error('enough')
    abort(reason)
    expect(queue.size).toBe(1)
    const third = queue.wait(undefined)
    queue.shift()!.resolve('second')
    queue.shift()!.resolve('third')
    expect([await second, await third]).toEqual(['second', 'third'])
    expect(await first).toMatchObject({ code: 'ABORTED', cause: reason })
  })

  test('onAborted is called once the caller has left', async () => {
    const queue = new WaitQueue<void, string>()
    const { signal, abort } = controller()
    const sizes: number[] = []
    const failure = failureOf(queue.wait(signal, 'a', () => sizes.push(queue.size)))
    abort()
    expect(sizes).toEqual([0])
    expect(await failure).toMatchObject({ code: 'ABORTED' })
  })

  test.each(['resolve', 'reject'] as const)('after %s the signal is forgotten', async (settle) => {
    const queue = new WaitQueue<void>()
    const { signal, abort, listeners } = controller()
    let aborted = 0
    const outcome = queue
      .wait(signal, undefined, () => aborted++)
      .then(
        () => 'resolved',
        () => 'rejected',
      )
    expect(listeners()).toBe(1)
    const waiter = queue.shift()!
    if (settle === 'resolve') waiter.resolve()
    else waiter.reject(new Error())
    expect(listeners()).toBe(0)
    abort()
    expect(await outcome).toBe(`${settle}${settle === 'resolve' ? 'd' : 'ed'}`)
    expect(aborted).toBe(0)
  })

  test('one signal calls off all that wait for it, with one listener', async () => {
    const queue = new WaitQueue<void>()
    const { signal, abort, listeners } = controller()
    const failures = Array.from({ length: 20 }, () => failureOf(queue.wait(signal)))
    const other = queue.wait(undefined)
    expect(listeners()).toBe(1)
    abort()
    expect(queue.size).toBe(1)
    for (const failure of failures) expect(await failure).toMatchObject({ code: 'ABORTED' })
    queue.resolveAll()
    await other
  })
})

/** A signal whose listeners are counted. */
function controller() {
  const inner = new AbortController()
  const { signal } = inner
  let listeners = 0
  const { addEventListener, removeEventListener } = signal
  signal.addEventListener = (...call: Parameters<typeof addEventListener>) => {
    listeners++
    return addEventListener.apply(signal, call)
  }
  signal.removeEventListener = (...call: Parameters<typeof removeEventListener>) => {
    listeners--
    return removeEventListener.apply(signal, call)
  }
  return { signal, abort: (reason?: unknown) => inner.abort(reason), listeners: () => listeners }
}
