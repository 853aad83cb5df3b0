import { styleText } from 'node:util'
import type { SeenMessage } from './relay-view.js'

/** Columns of what people read. */
const LEFT = 50
/** Sizes that fit into a row for each direction. */
const MAX_SIZES = 6

/** One row: what the two read, and beside it what passed the relay meanwhile. Without a time there is nothing beside it. */
export function row(said: string, seen: readonly SeenMessage[], at: number | undefined): string {
  const left = said.length > LEFT ? `${said.slice(0, LEFT - 1)}…` : said.padEnd(LEFT)
  return `${left} ${styleText('dim', '│')} ${at === undefined ? '' : relayColumn(seen, at)}`.trimEnd()
}

export function heading(): string {
  return [
    `${styleText('bold', 'what the two read'.padEnd(LEFT))}   ${styleText('bold', 'what the relay sees: times and sizes')}`,
    styleText('dim', `${'─'.repeat(LEFT + 1)}┼${'─'.repeat(46)}`),
  ].join('\n')
}

function relayColumn(seen: readonly SeenMessage[], at: number): string {
  const time = new Date(at).toISOString().slice(11, 21)
  if (seen.length === 0) return styleText('dim', `${time}  nothing`)
  return `${time}  ${sizes(seen, 0, '→')}${sizes(seen, 1, '←')}`.trimEnd()
}

function sizes(seen: readonly SeenMessage[], side: 0 | 1, arrow: string): string {
  const lengths = seen.filter((message) => message.side === side).map(({ bytes }) => bytes.length)
  if (lengths.length === 0) return ''
  const more = lengths.length - MAX_SIZES
  return `${arrow} ${lengths.slice(0, MAX_SIZES).join(' ')}${more > 0 ? ` +${more}` : ''}  `
}

/** The first bytes of a message in hex, as they stand on the wire. */
export function hexOf({ bytes }: SeenMessage): string {
  return bytes
    .subarray(0, 24)
    .toString('hex')
    .replace(/(..)(?=.)/g, '$1 ')
}
