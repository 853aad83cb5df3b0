// A bank and its customer meet at a relay, pair by a code, and talk; beside it stands what the relay sees.
// Usage: node main.js [--once]
import { setTimeout } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import type { Cover } from '@usmp/relay'
import { nodeDial } from '@usmp/relay/node'
import { startRelay } from '@usmp/relay/server'
import { type Meeting, type Pair, pairByCode, Talk } from './people.js'
import { RelayView, type SeenMessage } from './relay-view.js'
import { heading, hexOf, row } from './show.js'

/** Of a row, ms. */
const ROW = 500
/** Rows of silence between two lines. */
const SILENCE = 2
const COVER: Cover = { mode: 'schedule', rate: 5 }
const LINES = [
  ['customer', 'Good morning. What is my balance?'],
  ['bank', 'Good morning. 1,204.50 euro.'],
  ['customer', 'Please pay 10 euro to the baker.'],
  ['bank', 'Done: 10 euro to the baker.'],
] as const

const { values: options } = parseArgs({ options: { once: { type: 'boolean', default: false } } })
const stop = new AbortController()
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => stop.abort())

const seen: SeenMessage[] = []
const said: string[] = []
/** Of `seen`, how many are in a row already. */
let shown = 0

const relay = await startRelay({ port: 0, open: true })
const view = await RelayView.start(relay.url, (message) => seen.push(message))
try {
  await show({ relay: view.url, dial: nodeDial() })
} catch (error) {
  if (!stop.signal.aborted) throw error
} finally {
  await view.close()
  await relay.close()
}
tellSum()

async function show(meeting: Meeting): Promise<void> {
  console.log(`The relay listens on ${relay.url.origin.replace('null', `ws://${relay.url.host}`)}. It knows no key.\n`)
  const pair = await pairByCode(meeting, (code) =>
    console.log(`The bank shows a code, and its customer types it: ${code}`),
  )
  console.log('They have paired: each knows the other by its key now, and needs no code.')
  console.log(`The relay saw messages of ${sizes(seen)} bytes,\nsuch as ${hexOf(seen[0]!)} …\n`)
  shown = seen.length
  console.log(`Without cover: the relay sees when somebody writes.\n${heading()}`)
  await talk(meeting, pair, { mode: 'off' }, false)
  console.log(
    '\nWith cover: each sends 5 messages of one size a second, at times that have\nnothing to do with what is said.',
  )
  console.log(heading())
  await talk(meeting, pair, COVER, !options.once)
}

/** One conversation, row by row; over and over again until it is stopped. */
async function talk(meeting: Meeting, pair: Pair, cover: Cover, goOn: boolean): Promise<void> {
  const conversation = new Talk(meeting, pair, cover, (text) => said.push(text))
  try {
    await conversation.online()
    await rows(1)
    do {
      for (const [who, text] of LINES) {
        await conversation.say(who, text)
        await rows(SILENCE)
      }
    } while (goOn)
    await conversation.flush()
    await rows(1)
  } finally {
    await conversation.close()
  }
}

async function rows(count: number): Promise<void> {
  for (let n = 0; n < count; n++) {
    await setTimeout(ROW, undefined, { signal: stop.signal })
    const now = seen.slice(shown)
    shown = seen.length
    const [first = '', ...more] = said.splice(0)
    console.log(row(first, now, Date.now()))
    for (const text of more) console.log(row(text, [], undefined))
  }
}

function tellSum(): void {
  const all = Buffer.concat(seen.map(({ bytes }) => bytes)).toString('latin1')
  const readable = LINES.filter(([, text]) => all.includes(text)).length
  console.log(`\n${seen.length} messages have passed the relay. It could read ${readable} of what was said.`)
}

function sizes(messages: readonly SeenMessage[]): string {
  return messages.map(({ bytes }) => bytes.length).join(', ')
}
