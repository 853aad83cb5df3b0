import {
  abortError,
  CipherSuite,
  type Clock,
  type CryptoProvider,
  concatBytes,
  equalBytes,
  formatDeviceId,
  nobleProvider,
  onAbort,
  type RandomSource,
  Session,
  systemClock,
  type Transport,
  throwIfAborted,
  UsmpError,
  wipe,
} from '@usmp/core'
import { checkOptions, clock, hasMethods, provider, signal, type TableOf } from '@usmp/core/options'
import { cpaceGenerator, cpaceKey, cpaceScalar, cpaceShare } from './cpace.js'
import { Identity, sideTowards } from './identity.js'
import { PairingCircuit } from './pairing-circuit.js'
import { PairingCode } from './pairing-code.js'
import {
  decodeAnswer,
  decodeConfirmation,
  decodeIntroduction,
  decodeOffer,
  encodeAnswer,
  encodeConfirmation,
  encodeIntroduction,
  encodeOffer,
  type Introduction,
  RUN_ID_SIZE,
} from './pairing-messages.js'
import { assertPeerName } from './peer-name.js'
import { drawBytes, platformRandom } from './random.js'
import type { Side } from './wire.js'

/** How long a pairing may take once both ends are there, ms: no person is asked anything in that time. */
export const PAIRING_TIMEOUT = 30_000

const utf8 = new TextEncoder()
const CHANNEL = utf8.encode('usmp-relay pair v1')
const GUEST_DATA = utf8.encode('guest')
const HOST_DATA = utf8.encode('host')
const PSK_LABEL = utf8.encode('usmp-relay pairing psk v1')
const PAIRED_LABEL = utf8.encode('usmp-relay paired v1')
const PSK_SIZE = 32
/** The session of a pairing belongs to no device. */
const NO_DEVICE = new Uint8Array(6)
/** The suite that is safe in plain JavaScript too. */
const SUITE = CipherSuite.CHACHA20_POLY1305

/** Options of {@link hostPairing} and {@link joinPairing}. */
export interface PairingOptions {
  /** A circuit on the route of the code, as `openCircuit` gives it; not opened yet. It is ended in any case. */
  readonly circuit: Transport
  /** Is used up by this, whatever comes of it. */
  readonly code: PairingCode
  readonly identity: Identity
  /** What the other end shall call us: 1 to 32 bytes of UTF-8, printable. */
  readonly name: string
  /** Default: that of the platform. */
  readonly random?: RandomSource | undefined
  /** Default: noble. */
  readonly provider?: CryptoProvider | undefined
  /** Default: that of the platform. */
  readonly clock?: Clock | undefined
  readonly signal?: AbortSignal | undefined
}

/** Another end, which knew the code and has proven that it has the secret key of its identity. */
export interface PairedPeer {
  /** What it calls itself: 1 to 32 bytes of UTF-8, printable. Names prove nothing. */
  readonly name: string
  /** 32 bytes. */
  readonly publicKey: Uint8Array
}

/**
 * Pairs with the guest that knows the code (specification, section 12.2). The host has made the code.
 * @throws UsmpError INVALID_ARGUMENT; PAIRING_FAILED if anything went wrong, with the fault as its cause: the code is used up then, and
 * the next attempt needs a new one; ABORTED; RANDOM_FAILED, CRYPTO_FAILED
 */
export async function hostPairing(options: PairingOptions): Promise<PairedPeer> {
  return pair('hostPairing', startAsHost, options)
}

/**
 * Pairs with the host that has made the code (specification, section 12.2).
 * @throws UsmpError as {@link hostPairing}
 */
export async function joinPairing(options: PairingOptions): Promise<PairedPeer> {
  return pair('joinPairing', startAsGuest, options)
}

/** What the two ends do differently: the way to a session that proves the code. */
type Start = (attempt: Attempt) => Promise<Session>

/** One attempt, with every option there. */
interface Attempt {
  readonly circuit: PairingCircuit
  readonly password: Uint8Array
  readonly identity: Identity
  readonly name: string
  readonly random: RandomSource
  readonly provider: CryptoProvider
  readonly clock: Clock
  /** Aborts when time is up, or the caller wants no more. */
  readonly signal: AbortSignal
}

/** Of `hostPairing` and `joinPairing`. */
export const pairingTable: TableOf<PairingOptions> = {
  circuit: {
    expected: 'a Transport of kind message',
    fits: (value) => isTransport(value) && value.kind === 'message',
    required: true,
  },
  code: { expected: 'a PairingCode', fits: (value) => value instanceof PairingCode, required: true, secret: true },
  identity: { expected: 'an Identity', fits: (value) => value instanceof Identity, required: true, secret: true },
  name: { expected: 'text', fits: (value) => typeof value === 'string', required: true },
  random: { expected: 'a RandomSource', fits: (value) => typeof value === 'function' },
  provider,
  clock,
  signal,
}

function isTransport(value: unknown): value is Transport {
  return hasMethods(value, 'open', 'write', 'pause', 'resume', 'close', 'abort')
}

async function pair(caller: string, start: Start, options: PairingOptions): Promise<PairedPeer> {
  const password = begin(caller, options)
  const { clock = systemClock } = options
  const bounds = new AbortController()
  const tooSlow = () => bounds.abort(new UsmpError('HANDSHAKE_TIMEOUT', 'the other end stalls'))
  const timer = clock.setTimer(tooSlow, PAIRING_TIMEOUT)
  const forget = onAbort(options.signal, () => bounds.abort(abortError(options.signal)))
  try {
    return await run(start, {
      circuit: new PairingCircuit(options.circuit),
      password,
      identity: options.identity,
      name: options.name,
      random: options.random ?? platformRandom,
      provider: options.provider ?? nobleProvider,
      clock,
      signal: bounds.signal,
    })
  } catch (error) {
    throw options.signal?.aborted ? abortError(options.signal) : error
  } finally {
    clock.clearTimer(timer)
    forget()
    wipe(password)
  }
}

/** Checks the options and takes the code. What is wrong ends the circuit too, as the other end waits there. */
function begin(caller: string, options: PairingOptions): Uint8Array {
  try {
    checkOptions(caller, options, pairingTable)
    assertPeerName(options.name)
    throwIfAborted(options.signal)
    return options.code.use()
  } catch (error) {
    if (isTransport(options?.circuit)) new PairingCircuit(options.circuit).abort()
    throw error
  }
}

async function run(start: Start, attempt: Attempt): Promise<PairedPeer> {
  const session = await prove(start, attempt)
  try {
    const peer = await introduce(session, attempt)
    await session.close()
    return peer
  } catch (cause) {
    void session.close()
    throw failure('the other end knew the code, and did not finish', cause)
  }
}

/** The session, whose handshake proves that both ends know the code. */
async function prove(start: Start, attempt: Attempt): Promise<Session> {
  try {
    attempt.circuit.start()
    return await start(attempt)
  } catch (cause) {
    attempt.circuit.abort()
    throw failure('wrong code, or somebody else tried it', cause)
  }
}

/** Faults of our own platform stay what they are. */
function failure(detail: string, cause: unknown): UsmpError {
  if (cause instanceof UsmpError && (cause.family === 'platform' || cause.code === 'PAIRING_FAILED')) return cause
  return new UsmpError('PAIRING_FAILED', detail, { cause })
}

// ─── the code ───

async function startAsGuest(attempt: Attempt): Promise<Session> {
  const { circuit, random, provider, clock, signal } = attempt
  const runId = drawBytes(random, RUN_ID_SIZE)
  const { scalar, share } = makeShare(attempt, runId)
  circuit.write([encodeOffer({ runId, share })])
  const answer = decodeAnswer(await circuit.next(signal))
  const guest = { share, data: GUEST_DATA }
  const host = { share: answer, data: HOST_DATA }
  const psk = sessionKey(provider, runId, cpaceKey(runId, scalar, answer, guest, host))
  const options = { deviceId: NO_DEVICE, psk, suite: SUITE, random, provider, clock, signal, keepalive: 0 }
  return Session.connect(circuit, options).finally(() => wipe(psk))
}

async function startAsHost(attempt: Attempt): Promise<Session> {
  const { circuit, random, provider, clock, signal } = attempt
  const { runId, share: offer } = decodeOffer(await circuit.next(signal))
  const { scalar, share } = makeShare(attempt, runId)
  const guest = { share: offer, data: GUEST_DATA }
  const host = { share, data: HOST_DATA }
  const psk = sessionKey(provider, runId, cpaceKey(runId, scalar, offer, guest, host))
  const answer = { psk, suite: SUITE }
  const authorize = (deviceId: string) => (deviceId === formatDeviceId(NO_DEVICE) ? answer : null)
  circuit.write([encodeAnswer(share)])
  // In the same turn, so that the session is there when the guest begins.
  return Session.accept(circuit, { authorize, random, provider, clock, signal, keepalive: 0 }).finally(() => wipe(psk))
}

function makeShare({ password, random }: Attempt, runId: Uint8Array): { scalar: bigint; share: Uint8Array } {
  const scalar = cpaceScalar(random)
  return { scalar, share: cpaceShare(cpaceGenerator({ password, channel: CHANNEL, sessionId: runId }), scalar) }
}

/** The key of the session from that of CPace, which is wiped. */
function sessionKey(provider: CryptoProvider, runId: Uint8Array, key: Uint8Array): Uint8Array {
  const psk = provider.hkdfSha256(key, runId, PSK_LABEL, PSK_SIZE)
  wipe(key)
  return psk
}

// ─── identities ───

/** Both ends tell their identities, and prove that they are theirs. */
async function introduce(session: Session, { identity, name, provider, signal }: Attempt): Promise<PairedPeer> {
  await session.send(encodeIntroduction({ publicKey: identity.publicKey, name }), { signal })
  const peer = decodeIntroduction(await next(session, signal))
  if (equalBytes(peer.publicKey, identity.publicKey)) {
    throw new UsmpError('PAIRING_FAILED', 'both ends have the same identity', {
      hint: 'Two peers on one machine need an identity each (`--identity FILE` of the command). Make a new code.',
    })
  }
  const macs = confirmations(identity, peer, provider)
  try {
    await session.send(encodeConfirmation(macs.own), { signal })
    const mac = decodeConfirmation(await next(session, signal))
    if (!equalBytes(mac, macs.peer)) {
      throw new UsmpError('AUTH_FAILED', undefined, {
        hint: 'The other end showed an identity that is not its own, or one of the programs is faulty.',
      })
    }
    return peer
  } finally {
    wipe(macs.own, macs.peer)
  }
}

/** What the owner of an identity can compute and nobody else, for each side. */
function confirmations(
  identity: Identity,
  { publicKey }: Introduction,
  provider: CryptoProvider,
): { own: Uint8Array; peer: Uint8Array } {
  const pairKey = identity.pairKey(publicKey)
  const macOf = (side: Side) => provider.hmacSha256(pairKey, concatBytes(PAIRED_LABEL, Uint8Array.of(side)))
  try {
    return {
      own: macOf(sideTowards(identity.publicKey, publicKey)),
      peer: macOf(sideTowards(publicKey, identity.publicKey)),
    }
  } finally {
    wipe(pairKey)
  }
}

async function next(session: Session, signal: AbortSignal): Promise<Uint8Array> {
  const message = await session.receive({ signal })
  if (message) return message
  throw new UsmpError('TRUNCATED', 'the other end left')
}
