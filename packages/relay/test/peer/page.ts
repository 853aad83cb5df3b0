// What the test needs in a page, as one script.
import { browserDial } from '../../src/browser.ts'
import { Identity, joinByCode, PairingCode, RelayPeer } from '../../src/index.ts'

/** Pairs by a code, then talks: says `hello` and sends back what it gets, until the other peer closes the channel. */
async function pairAndTalk(url: string, code: string): Promise<{ peer: string; received: string[]; states: string[] }> {
  const relay = new URL(url)
  const dial = browserDial()
  const identity = Identity.generate()
  const paired = await joinByCode({ relay, dial, code: PairingCode.parse(code), identity, name: 'Page' })
  const keys = identity.pairWith(paired.publicKey)
  const peer = RelayPeer.start({ relay, dial, keys, cover: { mode: 'schedule', rate: 50 } })
  const states: string[] = []
  const received: string[] = []
  peer.addEventListener('state', ({ status }) => void states.push(status.state))
  await peer.channel.send('hello')
  for await (const message of peer.channel) {
    received.push(new TextDecoder().decode(message))
    await peer.channel.send(message)
  }
  await peer.ended
  return { peer: paired.name, received, states }
}

/** What becomes of a circuit: the error of the relay. */
async function refusal(url: string): Promise<{ code: string; message: string }> {
  const code = PairingCode.generate()
  const options = { relay: new URL(url), dial: browserDial(), code, identity: Identity.generate(), name: 'Page' }
  return joinByCode(options).then(
    () => ({ code: 'none', message: '' }),
    ({ code, message }) => ({ code, message }),
  )
}

export type PageGlobals = typeof globals
const globals = { pairAndTalk, refusal }
Object.assign(globalThis, globals)

// In a browser that nobody leads: the address says what to do, and the site is told what came of it.
const { searchParams } = new URL(location.href)
const relay = searchParams.get('relay')
if (relay) {
  const report = (outcome: object) => fetch('/report', { method: 'POST', body: JSON.stringify(outcome) })
  void pairAndTalk(relay, searchParams.get('code') ?? '').then(report, (error) => report({ fault: String(error) }))
}
