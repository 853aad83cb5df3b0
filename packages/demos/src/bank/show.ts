import { styleText } from 'node:util'
import type { SeenMessage } from './relay-view.js'

/** Columns of what people read: both columns fit into the 80 of a terminal. */
const LEFT = 43
const RIGHT = 34
/** Sizes that fit into a row for each direction; those that are repeated count once. */
const MAX_SIZES = 3
/** Bytes of a message that are shown. */
const SHOWN = 16

/** One row: what the two read, and beside it what passed the relay meanwhile. Without a time there is nothing beside it. */
export function row(said: string, seen: readonly SeenMessage[], at: number | undefined): string {
  const left = said.length > LEFT ? `${said.slice(0, LEFT - 1)}…` : said.padEnd(LEFT)
  return `${left} ${styleText('dim', '│')} ${at === undefined ? '' : relayColumn(seen, at)}`.trimEnd()
}

export function heading(): string {
  return [
    `${styleText('bold', 'what the two read'.padEnd(LEFT))}   ${styleText('bold', 'the relay sees: times and sizes')}`,
    styleText('dim', `${'─'.repeat(LEFT + 1)}┼${'─'.repeat(RIGHT + 1)}`),
  ].join('\n')
}

function relayColumn(seen: readonly SeenMessage[], at: number): string {
  const time = new Date(at).toISOString().slice(11, 21)
  if (seen.length === 0) return styleText('dim', `${time} nothing`)
  return `${time} ${sizes(seen, 0, '→')}${sizes(seen, 1, '←')}`.trimEnd()
}

function sizes(seen: readonly SeenMessage[], side: 0 | 1, arrow: string): string {
  const lengths = seen.filter((message) => message.side === side).map(({ bytes }) => bytes.length)
  if (lengths.length === 0) return ''
  const runs = runsOf(lengths)
  const shown = runs.slice(0, MAX_SIZES).map(({ length, count }) => (count > 1 ? `${length}×${count}` : `${length}`))
  return `${arrow} ${shown.join(' ')}${runs.length > MAX_SIZES ? ' …' : ''} `
}

/** Equal lengths that follow each other are one. */
function runsOf(lengths: readonly number[]): { length: number; count: number }[] {
  const runs: { length: number; count: number }[] = []
  for (const length of lengths) {
    const last = runs.at(-1)
    if (last?.length === length) last.count++
    else runs.push({ length, count: 1 })
  }
  return runs
}

/** The first bytes of a message in hex, as they stand on the wire. */
export function hexOf({ bytes }: SeenMessage): string {
  return bytes
    .subarray(0, SHOWN)
    .toString('hex')
    .replace(/(..)(?=.)/g, '$1 ')
}
