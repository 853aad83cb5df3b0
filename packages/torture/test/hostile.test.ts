import { expect, test } from 'vitest'
import { attackAll, SHORT } from '../src/hostile/hostile.js'
import { lines, type Outcome } from '../src/hostile/results.js'

/** Above what the server had before, bytes: resident memory at worst, and objects when the attack is over. */
const MORE_MEMORY = 160e6
const MORE_OBJECTS = 30e6
/** Of a server that answers one address with 50 a second after 100 at once, from up to 64 addresses. */
const LINES_WITHOUT_CONNECTIONS = 200

/** What is wrong with an outcome. */
function faults({ attack, under, before, after, sent, closed }: Outcome): string[] {
  const found: string[] = []
  for (const [what, { served, tried, failures }] of Object.entries(under)) {
    if (served < tried)
      found.push(`${attack}: ${tried - served} of ${tried} ${what} failed: ${JSON.stringify(failures)}`)
  }
  for (const what of after.uncaught) found.push(`${attack}: ${what}`)
  if (!closed) found.push(`${attack}: the server did not close`)
  if (under.echoes.served === 0) found.push(`${attack}: no echo at all`)
  if (after.worst - before.resident > MORE_MEMORY) found.push(`${attack}: ${after.worst} bytes at worst`)
  if (after.heap - before.heap > MORE_OBJECTS) found.push(`${attack}: ${after.heap} bytes of objects`)
  // Two of a connection: that it began, or was refused, and that it ended.
  const limit = 2 * sent.connections + LINES_WITHOUT_CONNECTIONS
  if (lines(after) > limit) found.push(`${attack}: ${lines(after)} lines, ${JSON.stringify(after.events)}`)
  return found
}

test('hostile clients: good ones are served, nothing is uncaught, memory and log stay bounded, the server closes', async () => {
  const { outcomes, notRun } = await attackAll(SHORT, () => {})
  for (const name of notRun) console.error(`NOT RUN: ${name}, because this machine lets us have no network namespace`)
  expect(outcomes.length + notRun.length).toBeGreaterThan(37)
  expect(outcomes.filter(({ sent }) => sent.connections + sent.packets === 0)).toEqual([])
  expect(outcomes.flatMap(faults)).toEqual([])
}, 1_200_000)
