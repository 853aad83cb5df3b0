import { bytesOf, SimulatedTime, text } from '@usmp/testing'
import { beforeEach, describe, expect, test } from 'vitest'
import { HEADER_SIZE, MAX_MESSAGE, SEAL_OVERHEAD } from '../src/constants.ts'
import { UsmpError } from '../src/errors.ts'
import { type SendOutlet, SendQueue } from '../src/send-queue.ts'

/** An outlet that has room for so many messages. */
class Outlet implements SendOutlet {
  readonly maxMessage = MAX_MESSAGE
  room = Number.POSITIVE_INFINITY
  /** What the next message fails with. */
  fault: Error | undefined
  readonly sent: string[] = []
  emptied = 0

  get full(): boolean {
    return this.room <= 0
  }

  sendNow(message: Uint8Array): void {
    const { fault } = this
    this.fault = undefined
    if (fault) throw fault
    this.room--
    this.sent.push(new TextDecoder().decode(message))
  }

  onEmpty(): void {
    this.emptied++
  }
}

class Time extends SimulatedTime {
  readonly yields: (() => void)[] = []

  defer(): void {}

  yieldToEventLoop(callback: () => void): void {
    this.yields.push(callback)
  }
}

let outlet: Outlet
let time: Time
let queue: SendQueue
beforeEach(() => {
  outlet = new Outlet()
  time = new Time()
  queue = new SendQueue(outlet, time)
})

const codeOf = (promise: Promise<void> | undefined) =>
  promise!.then(
    () => undefined,
    (error: UsmpError) => error.code,
  )

describe('a send queue', () => {
  test('sends at once while there is room', () => {
    expect(queue.send('a', undefined)).toBeUndefined()
    expect(queue.send(text('b'), undefined)).toBeUndefined()
    expect(outlet.sent).toEqual(['a', 'b'])
    expect(queue.size).toBe(0)
  })

  test('keeps the order: what comes later waits behind what waits already', async () => {
    outlet.room = 0
    const waiting = [queue.send('a', undefined), queue.send('b', undefined)]
    outlet.room = 1
    expect(queue.trySend(text('overtakes'))).toBe(false)
    waiting.push(queue.send('c', undefined))
    queue.flush()
    expect(outlet.sent).toEqual(['a'])
    outlet.room = 9
    queue.flush()
    expect(outlet.sent).toEqual(['a', 'b', 'c'])
    await Promise.all(waiting)
  })

  test('keeps a copy of what waits', async () => {
    outlet.room = 0
    const message = text('as it was')
    const waiting = queue.send(message, undefined)
    message.fill(0)
    outlet.room = 1
    queue.flush()
    await waiting
    expect(outlet.sent).toEqual(['as it was'])
  })

  test('a message that is called off is not sent, and the queue tells when it is empty', async () => {
    outlet.room = 0
    const off = new AbortController()
    const waiting = codeOf(queue.send('a', off.signal))
    off.abort()
    expect(outlet.emptied).toBe(1)
    expect(await waiting).toBe('ABORTED')
    outlet.room = 1
    queue.flush()
    expect(outlet.sent).toEqual([])
  })

  test('bounds what waits', async () => {
    outlet.room = 0
    const waiting = Array.from({ length: 1024 }, () => codeOf(queue.send('x', undefined)))
    expect(await codeOf(queue.send('one more', undefined))).toBe('QUEUE_FULL')
    queue.end(new UsmpError('TRUNCATED'))
    expect(new Set(await Promise.all(waiting))).toEqual(new Set(['TRUNCATED']))
    expect(queue.size).toBe(0)
  })

  test('a message that cannot be sent rejects, and the next one goes on', async () => {
    outlet.room = 0
    const [first, second] = [codeOf(queue.send('a', undefined)), codeOf(queue.send('b', undefined))]
    outlet.room = 9
    outlet.fault = new UsmpError('SEQ_EXHAUSTED')
    queue.flush()
    expect([await first, await second]).toEqual(['SEQ_EXHAUSTED', undefined])
    expect(outlet.sent).toEqual(['b'])
  })

  test('what is too large is refused before it waits', () => {
    outlet.room = 0
    expect(() => queue.send(bytesOf(1809), undefined)).toThrow(expect.objectContaining({ code: 'MESSAGE_TOO_LARGE' }))
    expect(queue.size).toBe(0)
  })

  test('lets the event loop run after 64 KiB, empty messages included', async () => {
    let sent = 0
    while (queue.send('', undefined) === undefined) sent++
    expect(sent).toBe(Math.ceil((64 * 1024) / (HEADER_SIZE + SEAL_OVERHEAD)))
    expect(queue.size).toBe(1)
    queue.flush()
    expect(queue.size).toBe(1)
    time.yields.shift()!()
    expect(queue.size).toBe(0)
    expect(outlet.sent).toHaveLength(sent + 1)
  })
})
