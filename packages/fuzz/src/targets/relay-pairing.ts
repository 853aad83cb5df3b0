import { type Transport, type TransportSink, UsmpError } from '@usmp/core'
import {
  decodeAnswer,
  decodeConfirmation,
  decodeIntroduction,
  decodeOffer,
  encodeAnswer,
  encodeConfirmation,
  encodeIntroduction,
  encodeOffer,
  faultOfName,
  hostPairing,
  Identity,
  KnownPeers,
  openIdentity,
  PairingCode,
  readIdentityHeader,
  sealIdentity,
} from '@usmp/relay/internal'
import { SimulatedClock } from '@usmp/testing'
import { Choices, must, type Target } from '../target.js'
import { provider } from './ends.js'

const text = (bytes: Uint8Array) => new TextDecoder('utf-8', { ignoreBOM: true }).decode(bytes)
const bytesOf = (value: string) => new TextEncoder().encode(value)
const sameRandom = (length: number) => new Uint8Array(length).fill(0x35)
const identity = Identity.fromSecret(new Uint8Array(32).fill(0x61), provider)
const PUBLIC_KEY = new Uint8Array(32).fill(7)
const SHARE = '2c3c6b8c4f3800e7aef6864025b4ed79bd599117e427c41bd47d93d654b4a51c'
const OFFER = encodeOffer({ runId: new Uint8Array(16), share: new Uint8Array(Buffer.from(SHARE, 'hex')) })
const INTRODUCTION = encodeIntroduction({ publicKey: PUBLIC_KEY, name: 'Anna' })
const CODES = ['BAD_PAYLOAD', 'INVALID_ARGUMENT']

/** What `read` gives; undefined if it refuses, which it may do by these errors alone. */
function attempt<T>(read: () => T): T | undefined {
  try {
    return read()
  } catch (error) {
    must(error instanceof UsmpError && CODES.includes(error.code), `an error that is none of ours: ${String(error)}`)
    must(!/\p{C}/u.test(error.message), 'a message with characters that do not print')
    return undefined
  }
}

/** A message that is understood is written again in the same way. */
function checkMessages(bytes: Uint8Array): void {
  const ways = [
    () => encodeOffer(decodeOffer(bytes)),
    () => encodeAnswer(decodeAnswer(bytes)),
    () => encodeIntroduction(decodeIntroduction(bytes)),
    () => encodeConfirmation(decodeConfirmation(bytes)),
  ]
  const again = ways.map((way) => attempt(way)).filter((made) => made !== undefined)
  must(again.length <= 1, 'a message of two kinds')
  for (const made of again) must(Buffer.compare(made, bytes) === 0, 'a message that says something else again')
}

function checkKnownPeers(bytes: Uint8Array): void {
  const known = attempt(() => KnownPeers.parse(text(bytes)))
  if (!known) return
  must(String(known) === text(bytes), 'known peers that say something else again')
  for (const { name, publicKey } of known.list()) {
    must(faultOfName(name) === undefined, `the name ${JSON.stringify(name)}`)
    const { length } = known.list()
    known.learn({ name, publicKey }, new Date(0))
    must(known.list().length === length, 'a known peer that is learnt twice')
  }
}

/** Without a passphrase: scrypt is not what is looked at. */
async function checkIdentity(bytes: Uint8Array): Promise<void> {
  const header = attempt(() => readIdentityHeader(text(bytes)))
  const opened = await openIdentity(text(bytes)).catch((error) => attempt<Identity>(() => throwIt(error)))
  if (!opened) return
  must(header?.sealed === false, 'an identity that opens although it has no header, or is sealed')
  must(readIdentityHeader(await sealIdentity(opened)).sealed === false, 'an identity that cannot be written')
}

function throwIt(error: unknown): never {
  throw error
}

function checkCode(bytes: Uint8Array): void {
  const code = attempt(() => PairingCode.parse(text(bytes)))
  if (code)
    must(String(PairingCode.parse(String(code))) === String(code), 'a code that is another one when it is read again')
}

/** A circuit whose other end says what the input says. */
class ScriptedCircuit implements Transport {
  readonly kind = 'message'
  readonly address = 'guest'
  sink: TransportSink | undefined
  ended = false
  open(sink: TransportSink): void {
    this.sink = sink
  }
  write(): boolean {
    return true
  }
  pause(): void {}
  resume(): void {}
  async close(): Promise<void> {
    this.ended = true
  }
  abort(): void {
    this.ended = true
  }
}

/** Whatever comes, a host without a guest that knows the code has no peer, and its code is used up. */
async function checkHost(input: Choices): Promise<void> {
  const clock = new SimulatedClock()
  const code = PairingCode.parse('able-about-zoo-zone', clock)
  const circuit = new ScriptedCircuit()
  const options = { circuit, code, identity, name: 'host', random: sameRandom, provider, clock }
  const outcome = hostPairing(options).then(
    () => undefined,
    (error: unknown) => error,
  )
  while (input.left > 0 && !circuit.ended) {
    const size = input.byte()
    if (size === 0xff) circuit.sink?.end()
    else if (size === 0xfe) clock.advance(1000 * input.byte())
    else circuit.sink?.receive(input.bytes(size))
    await new Promise((resolve) => setImmediate(resolve))
  }
  circuit.sink?.end()
  const error = await outcome
  must(error instanceof UsmpError && error.code === 'PAIRING_FAILED', `a host that says ${String(error)}`)
  must(code.remaining === 0 && circuit.ended, 'a code or a circuit that is left')
}

export const relayPairing: Target = {
  seeds: () => [
    ...[OFFER, encodeAnswer(new Uint8Array(32)), INTRODUCTION, encodeConfirmation(new Uint8Array(32))].map((bytes) =>
      Uint8Array.of(0, ...bytes),
    ),
    Uint8Array.of(1, ...bytesOf(knownPeers())),
    Uint8Array.of(2, ...bytesOf(identityText())),
    Uint8Array.of(2, ...bytesOf(sealedText())),
    Uint8Array.of(3, ...bytesOf('Able  about–zoo-ZONE')),
    Uint8Array.of(3, ...bytesOf('able abuot')),
    Uint8Array.of(4, OFFER.length, ...OFFER, 3, 1, 2, 3),
    Uint8Array.of(4, 0xfe, 40),
    Uint8Array.of(4, 3, 1, 2, 3, 0xff),
  ],
  async run(input) {
    const choices = new Choices(input)
    const kind = choices.byte() % 5
    if (kind === 4) return checkHost(choices)
    const rest = choices.bytes(choices.left)
    if (kind === 0) checkMessages(rest)
    else if (kind === 1) checkKnownPeers(rest)
    else if (kind === 2) await checkIdentity(rest)
    else checkCode(rest)
  },
}

function knownPeers(): string {
  const known = new KnownPeers()
  known.learn({ name: 'Anna', publicKey: PUBLIC_KEY }, new Date(0))
  known.learn({ name: 'Bank of Æther', publicKey: identity.publicKey }, new Date(0))
  known.verify('Anna')
  return String(known)
}

function identityText(): string {
  const publicKey = Buffer.from(identity.publicKey).toString('hex')
  return `{"v":1,"type":"usmp-relay-identity","public":"${publicKey}","kdf":null,"nonce":null,"box":"${'61'.repeat(32)}"}`
}

function sealedText(): string {
  const kdf = `{"name":"scrypt","N":131072,"r":8,"p":1,"salt":"${'00'.repeat(16)}"}`
  return identityText()
    .replace('"kdf":null,"nonce":null', `"kdf":${kdf},"nonce":"${'00'.repeat(12)}"`)
    .replace('"}', `${'00'.repeat(16)}"}`)
}
