import type { Transport } from '@usmp/core'
import { certificatePin } from '@usmp/node/adapters'
import { codeOf, failureOf, until } from '@usmp/testing'
import { makeCertificate } from '@usmp/testing/certificate'
import { expect, onTestFinished, test } from 'vitest'
import { type CircuitOptions, openCircuit } from '../../src/circuit.ts'
import { nodeDial } from '../../src/node-dial.ts'
import type { RelaySessionsOptions } from '../../src/relay-sessions.ts'
import { issueToken, type Relay, type RelayOptions, startRelay } from '../../src/server.ts'
import type { Side } from '../../src/wire.ts'
import { EchoPeer, keysOf } from './pair-of-peers.ts'

const route = Uint8Array.from({ length: 16 }, (_, index) => index + 1)
const NO_TOKEN = new Uint8Array(0)

async function start(options: RelayOptions = { open: true }): Promise<Relay> {
  const relay = await startRelay({ port: 0, ...options })
  onTestFinished(() => relay.close())
  return relay
}

/** A peer of the real relay. */
function peerAt({ url }: Relay, side: Side, more: Partial<RelaySessionsOptions> = {}): EchoPeer {
  return new EchoPeer({ relay: url, dial: nodeDial(), keys: keysOf(side), ...more })
}

function circuitAt({ url }: Relay, side: Side, more: Partial<CircuitOptions> = {}): Promise<Transport> {
  return openCircuit({ url, dial: nodeDial(), join: { route, side, pairing: true, token: NO_TOKEN }, ...more })
}

test('two peers at one address meet at a relay, and talk', async () => {
  const relay = await start()
  const peers = [peerAt(relay, 0), peerAt(relay, 1)]
  await until(() => peers.every(({ sessions }) => sessions.length === 1))
  await peers[0]!.sessions[0]!.send('x'.repeat(1_500))
  await until(() => peers[0]!.echoes.length === 1)
  expect(peers[0]!.echoes[0]).toBe('x'.repeat(1_500))
})

test('over TLS: by a pin, by an authority, and not otherwise', async () => {
  const tls = await makeCertificate()
  const other = await makeCertificate()
  const relay = await start({ open: true, tls })
  const pin = certificatePin(tls.cert)
  const peers = [peerAt(relay, 0, { dial: nodeDial({ pin }) }), peerAt(relay, 1, { dial: nodeDial({ ca: tls.cert }) })]
  await until(() => peers.every(({ sessions }) => sessions.length === 1))
  expect(await codeOf(circuitAt(relay, 0))).toBe('UNTRUSTED_CERTIFICATE')
  const wrong = nodeDial({ pin: certificatePin(other.cert) })
  expect(await codeOf(circuitAt(relay, 0, { dial: wrong }))).toBe('UNTRUSTED_CERTIFICATE')
  const failed = peerAt(relay, 0, { dial: wrong })
  await until(() => failed.errors.length > 0)
  expect(failed.told.at(-1)).toMatchObject({ state: 'away', error: { code: 'UNTRUSTED_CERTIFICATE' } })
})

test('a relay that asks for a token: without one, and with one', async () => {
  const tokenKey = new Uint8Array(32).fill(7)
  const relay = await start({ tokenKey })
  const failure = await failureOf(circuitAt(relay, 0))
  expect([failure.code, failure.hint]).toEqual(['RELAY_REFUSED', expect.stringContaining('token')])
  const token = issueToken(tokenKey, { expires: new Date(Date.now() + 60_000) })
  const peers = [peerAt(relay, 0, { token }), peerAt(relay, 1, { token })]
  await until(() => peers.every(({ sessions }) => sessions.length === 1))
})

test('the relay stops and starts again: the peers are told, and meet again', async () => {
  const relay = await start()
  const peers = [peerAt(relay, 0), peerAt(relay, 1)]
  await until(() => peers.every(({ sessions }) => sessions.length === 1))
  const port = Number(relay.url.port)
  await relay.close()
  await until(() => peers.every(({ errors }) => errors.length > 0))
  for (const { errors } of peers) expect(errors[0]).toBe('UNREACHABLE')
  await start({ open: true, port })
  await until(() => peers.every(({ sessions }) => sessions.length === 2), 'both are back', 20_000)
})

test('a third peer on a route: the one that it replaces and the other side are told', async () => {
  const relay = await start()
  const peers = [peerAt(relay, 0), peerAt(relay, 1)]
  await until(() => peers.every(({ sessions }) => sessions.length === 1))
  // The relay lets nobody be replaced twice within a second.
  const third = peerAt(relay, 1)
  await until(() => peers.every(({ errors }) => errors.length > 0), 'both are told', 20_000)
  expect(peers[1]!.errors).toContain('REPLACED')
  await until(() => third.states.includes('waiting') || third.sessions.length > 0, 'the third is there', 20_000)
})

test('a second guest of a pairing: the host and both guests are told', async () => {
  const relay = await start()
  const [host, guest] = await Promise.all([circuitAt(relay, 0), circuitAt(relay, 1)])
  const ends: unknown[] = []
  for (const circuit of [host, guest]) circuit.open({ receive() {}, drain() {}, end: (cause) => void ends.push(cause) })
  const second = await failureOf(circuitAt(relay, 1))
  await until(() => ends.length === 2)
  expect([second.code, ...ends.map((end) => (end as { code: string }).code)]).toEqual(
    new Array(3).fill('PAIRING_FAILED'),
  )
})

test('what is no relay: a web server, and one that speaks another protocol', async () => {
  const relay = await start()
  const missing = await failureOf(circuitAt(relay, 0, { url: new URL('/other', relay.url) }))
  expect([missing.code, missing.message]).toEqual(['UNREACHABLE', expect.stringContaining('404')])
})
