// A device with numbered messages for its server, each of which it repeats in the next session until it is confirmed.
// Usage: fault-device.js tcp|udp|ws PORT FIRST-NUMBER SEED [--jump]
import type { Session } from '@usmp/core'
import { sessions } from '@usmp/node'
import { Random } from '@usmp/testing'
import { deviceId, type FaultKind, LIVENESS, LOOPBACK, PSK } from '../fleet.js'
import { numbered, numberOf } from '../numbered.js'
import { say, serveCommands } from './control-channel.js'
import { letClockJump } from './jumping-clock.js'

/** Messages that may wait for their confirmation. */
const WINDOW = 8
const PAUSE = 5

const [kind, port, first, seed, jump] = [
  process.argv[2] as FaultKind,
  Number(process.argv[3]),
  Number(process.argv[4]),
  Number(process.argv[5]),
  process.argv[6],
]
if (jump === '--jump') letClockJump()
const random = new Random(seed)
const scheme = { tcp: 'usmp', udp: 'usmp+udp', ws: 'ws' }[kind]
const settings = { ...LIVENESS, deviceId: deviceId(1), psk: PSK, connectTimeout: 2_000, handshakeTimeout: 2_000 }
/** All before it are confirmed. */
let confirmed = first

/** Sends until the session has ended. */
async function talk(session: Session): Promise<void> {
  for (let next = confirmed; !session.signal.aborted; ) {
    if (next - confirmed < WINDOW) await session.send(numbered(next++, random.between(0, 1_200)))
    await new Promise((resolve) => setTimeout(resolve, random.between(0, PAUSE)))
  }
}

async function hear(session: Session): Promise<void> {
  for (let answer = await session.receive(); answer; answer = await session.receive()) {
    const n = numberOf(answer)
    if (n !== confirmed) say('fault', { error: `${n} was confirmed before ${confirmed}` })
    confirmed = n + 1
    say('confirmed', { session: session.sessionId, n })
  }
}

async function live(): Promise<void> {
  const onRetry = ({ code }: { code: string }, pause: number) => say('retry', { code, pause })
  for await (const session of sessions(`${scheme}://${LOOPBACK}:${port}`, { ...settings, onRetry })) {
    say('session', { session: session.sessionId, from: confirmed })
    await Promise.all([talk(session), hear(session)]).catch((error) => {
      if (!session.signal.aborted) say('fault', { error: String(error) })
    })
  }
}

live().catch((error) => say('fault', { error: String(error) }))
say('started')
await serveCommands({})
