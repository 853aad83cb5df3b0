import { setTimeout as sleep } from 'node:timers/promises'
import type { Session } from '@usmp/core'
import { connectorFor } from '../discover/package.js'
import { Unanswered } from '../exit-code.js'
import { type PeerOptions, urlOf } from '../options.js'
import type { Output } from '../output.js'
import type { Stop } from '../stop.js'
import { explainSilentEnd } from '../suite-check.js'
import { announce, connectOptions } from './connect.js'

export interface PingCommandOptions extends PeerOptions {
  readonly count: number
  /** ms */
  readonly interval: number
  /** ms */
  readonly wait: number
}

/** Measures round trips through an encrypted session. */
export async function pingCommand(options: PingCommandOptions, output: Output, stop: Stop): Promise<number> {
  const url = urlOf(options)
  const settings = await connectOptions(options, stop.signal)
  const { connect } = await connectorFor(url)
  let session: Session
  try {
    session = await connect(url, settings)
  } catch (error) {
    if (stop.signal.aborted) return stop.exitCode
    throw error
  }
  announce(session, output)
  void discardMessages(session)
  const times: number[] = []
  try {
    await measure(session, options, times, output, stop.signal)
  } catch (error) {
    if (!stop.signal.aborted) throw await explain(error, session, times.length, options.wait)
  } finally {
    await summarize(times, output)
    await session.close()
  }
  return stop.signal.aborted && times.length === 0 ? stop.exitCode : 0
}

async function measure(
  session: Session,
  { count, interval, wait }: PingCommandOptions,
  times: number[],
  output: Output,
  stop: AbortSignal,
): Promise<void> {
  for (let number = 1; number <= count; number++) {
    const deadline = AbortSignal.timeout(wait)
    const time = await session.ping({ signal: AbortSignal.any([stop, deadline]) })
    times.push(time)
    await output.result(`${number}: ${time.toFixed(2)} ms`, { event: 'pong', number, round_trip_ms: round(time) })
    if (number < count) await sleep(interval, undefined, { signal: AbortSignal.any([stop, session.signal]) })
  }
}

/** Messages would fill the queue, and then no PONG could come. */
async function discardMessages(session: Session): Promise<void> {
  try {
    while (await session.receive());
  } catch {
    // The round trip that is under way fails with the end as well.
  }
}

/** Why there was no answer: time ran out, or the session ended. */
async function explain(error: unknown, session: Session, answers: number, wait: number): Promise<unknown> {
  if (!session.signal.aborted) {
    const silent = error instanceof Error && 'code' in error && error.code === 'ABORTED'
    if (!silent) return error
    const likely = answers > 0 ? '' : ' Or do the two ends have different cipher suites? Compare --suite.'
    return new Unanswered('NO_ANSWER', `no answer within ${wait / 1000} s`, `Give it more time with -W.${likely}`)
  }
  const reason = await session.closed
  if (reason.code !== 'CLOSED') return answers > 0 ? reason : explainSilentEnd(session, reason)
  return new Unanswered('PEER_LEFT', 'the server ended the session', 'Its own output may say why.')
}

async function summarize(times: readonly number[], output: Output): Promise<void> {
  if (times.length === 0) return
  const sorted = [...times].sort((a, b) => a - b)
  const middle = sorted.length >> 1
  const median = sorted.length % 2 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2
  const [min, max] = [sorted[0]!, sorted.at(-1)!]
  if (output.json) {
    const fields = {
      event: 'summary',
      count: times.length,
      min_ms: round(min),
      median_ms: round(median),
      max_ms: round(max),
    }
    await output.result('', fields)
    return
  }
  const numbers = [min, median, max].map((time) => time.toFixed(2)).join('/')
  output.status(`${times.length} round trips, min/median/max ${numbers} ms`, {})
}

function round(time: number): number {
  return Math.round(time * 1000) / 1000
}
