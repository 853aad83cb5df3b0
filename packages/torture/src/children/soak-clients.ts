// Devices that come and go. Usage: soak-clients.js TCP-PORT UDP-PORT WS-PORT SEED
import type { Session } from '@usmp/core'
import { sessions } from '@usmp/node'
import { Random } from '@usmp/testing'
import { deviceId, LOOPBACK, OF_SOAK, PSK } from '../fleet.js'
import { numbered, numberOf } from '../numbered.js'
import { say, serveCommands } from './control-channel.js'

const [tcp, udp, ws, seed] = process.argv.slice(2).map(Number) as [number, number, number, number]
const urls = { tcp: `usmp://${LOOPBACK}:${tcp}`, udp: `usmp+udp://${LOOPBACK}:${udp}`, ws: `ws://${LOOPBACK}:${ws}` }
const MOST_MESSAGES = 300
/** With the number in front, the largest message there is. */
const BIGGEST = 1_804
let rekeys = 0
/** One for each device. */
const ends = Array.from({ length: OF_SOAK }, () => new AbortController())
let over = false

/** Sends and compares what comes back; leaves in order, at times before all has come back. */
async function live(kind: string, session: Session, random: Random): Promise<void> {
  const count = random.between(1, MOST_MESSAGES)
  const patient = random.share() < 0.7
  let [sent, echoed] = [0, 0]
  void session.closed.then(({ code }) => say('end', { session: session.sessionId, kind, sent, echoed, code }))
  const hearing = (async () => {
    while (echoed < count) {
      const echo = await session.receive()
      if (!echo) return
      const n = numberOf(echo)
      if (n !== echoed) say('fault', { session: session.sessionId, error: `${n} came back in place of ${echoed}` })
      echoed++
    }
  })()
  // It may fail before it is waited for.
  hearing.catch(() => {})
  while (sent < count && !over) {
    await session.send(numbered(sent, random.share() < 0.1 ? BIGGEST : random.between(0, BIGGEST)))
    sent++
    if (random.share() < 0.01) {
      void session.rekey().then(
        () => rekeys++,
        () => {},
      )
    }
    if (random.share() < 0.01) await session.ping()
    if (random.share() < 0.2) await new Promise((resolve) => setTimeout(resolve, random.between(0, 100)))
  }
  if (patient && !over) await hearing
}

async function be(kind: keyof typeof urls, n: number): Promise<void> {
  const random = new Random(seed + n)
  const options = { deviceId: deviceId(n), psk: PSK, signal: ends[n]!.signal }
  for await (const session of sessions(urls[kind], options)) {
    await live(kind, session, random).catch((error) => {
      // A session that is closing takes nothing more.
      if (!session.signal.aborted && !over) say('fault', { session: session.sessionId, error: String(error) })
    })
  }
}

const kinds = Object.keys(urls) as (keyof typeof urls)[]
const lives = Array.from({ length: OF_SOAK }, (_, n) => {
  const kind = kinds[n % kinds.length]!
  return be(kind, n).catch((error) => say('fault', { session: kind, error: String(error) }))
})

await serveCommands({
  counts: () => ({ rekeys }),
  async stop() {
    over = true
    for (const end of ends) end.abort()
    await Promise.all(lives)
  },
})
