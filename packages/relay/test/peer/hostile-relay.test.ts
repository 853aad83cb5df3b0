import { concatBytes, decodeFrame, encodeFrame, PacketType, Session, type Transport, UsmpError } from '@usmp/core'
import { nodeProvider, nodeRandom } from '@usmp/node'
import { SimulatedClock, turns, until } from '@usmp/testing'
import { describe, expect, test } from 'vitest'
import { cpaceGenerator, cpaceScalar, cpaceShare } from '../../src/cpace.ts'
import { Identity } from '../../src/identity.ts'
import { hostByCode, joinByCode, type PairByCodeOptions } from '../../src/pair-by-code.ts'
import { hostPairing, joinPairing, type PairedPeer } from '../../src/pairing.ts'
import { PairingCode } from '../../src/pairing-code.ts'
import { platformRandom } from '../../src/random.ts'
import { type Join, RelayMessage, type Side } from '../../src/wire.ts'
import { ATTACKS, attackOne, HostileRelay, withRightCrc } from '../hostile-relay.ts'
import type { Alter } from './memory-relay.ts'
import { EchoPeer, keysOf, RELAY, strangerKeys } from './pair-of-peers.ts'
import { NotingPeer, numbered } from './relay-peers.ts'

const CODE = 'able-about-zoo-zone'
/** The relay knows the first half of a code: it sees the route, and there are only 2^22 of them. */
const GUESS = 'able-about-cabin-cable'
const bank = Identity.generate(platformRandom, nodeProvider)
const customer = Identity.generate(platformRandom, nodeProvider)
const attacker = Identity.generate(platformRandom, nodeProvider)

type Outcome = PairedPeer | UsmpError

interface Pairing {
  readonly host: Outcome
  readonly guest: Outcome
  readonly codes: readonly PairingCode[]
}

/** Bank and customer try to pair; time passes where they wait. */
async function pairAt(relay: HostileRelay): Promise<Pairing> {
  const clock = new SimulatedClock()
  const codes = [PairingCode.parse(CODE, clock), PairingCode.parse(CODE, clock)] as const
  const common = { relay: RELAY, dial: relay.dial, clock, provider: nodeProvider }
  const outcomes: Outcome[] = []
  const start = async (pair: typeof hostByCode, index: 0 | 1, more: Pick<PairByCodeOptions, 'identity' | 'name'>) => {
    outcomes[index] = await pair({ ...common, code: codes[index], ...more }).catch((error: UsmpError) => error)
  }
  void start(hostByCode, 0, { identity: bank, name: 'Bank' })
  void start(joinByCode, 1, { identity: customer, name: 'Customer' })
  for (let i = 0; i < 200 && !(outcomes[0] && outcomes[1]); i++) {
    await turns(20)
    // Only a message that does not come makes anybody wait.
    if (i > 20) clock.advance(1_000)
  }
  return { host: outcomes[0]!, guest: outcomes[1]!, codes }
}

const isPeer = (outcome: Outcome): outcome is PairedPeer => !(outcome instanceof UsmpError)
const codeOf = (outcome: Outcome) => (isPeer(outcome) ? outcome.name : outcome.code)

/** Both have failed as they should, and the codes are of no use any more. */
function expectBurnt({ host, guest, codes }: Pairing): void {
  expect([codeOf(host), codeOf(guest)]).toEqual(['PAIRING_FAILED', 'PAIRING_FAILED'])
  expect(codes.map(({ remaining }) => remaining)).toEqual([0, 0])
}

/** Whatever happened, nobody has learnt a wrong identity or a wrong name. */
function expectNothingWrong({ host, guest, codes }: Pairing): void {
  if (isPeer(host)) expect(host).toEqual({ name: 'Customer', publicKey: customer.publicKey })
  else expect(host.code).toBe('PAIRING_FAILED')
  if (isPeer(guest)) expect(guest).toEqual({ name: 'Bank', publicKey: bank.publicKey })
  else expect(guest.code).toBe('PAIRING_FAILED')
  expect(codes.map(({ remaining }) => remaining)).toEqual([0, 0])
}

/** A man in the middle that pairs with both, with a code of his own. */
function pairWithBoth(code: string, caught: Outcome[]): (join: Join, circuit: Transport) => void {
  return ({ side }, circuit) => {
    const pair = side === 0 ? joinPairing : hostPairing
    const options = { circuit, code: PairingCode.parse(code), identity: attacker, provider: nodeProvider }
    pair({ ...options, name: side === 0 ? 'Customer' : 'Bank' }).then(
      (peer) => caught.push(peer),
      (error: UsmpError) => caught.push(error),
    )
  }
}

describe('a hostile relay at a pairing', () => {
  test('a man in the middle with a guess: both hear of it, nothing is learnt, the codes are burnt', async () => {
    const relay = new HostileRelay()
    const caught: Outcome[] = []
    relay.onPeer = pairWithBoth(GUESS, caught)
    const pairing = await pairAt(relay)
    expectBurnt(pairing)
    for (const outcome of [pairing.host, pairing.guest]) {
      expect((outcome as UsmpError).message).toContain('wrong code, or somebody else tried it')
    }
    await until(() => caught.length === 2)
    expect(
      caught.every((outcome) => !isPeer(outcome)),
      'nor does he learn an identity',
    ).toBe(true)
  })

  test('control: the same man, if he knows the code, is believed', async () => {
    const relay = new HostileRelay()
    const caught: Outcome[] = []
    relay.onPeer = pairWithBoth(CODE, caught)
    const { host, guest } = await pairAt(relay)
    expect([host, guest]).toEqual([
      { name: 'Customer', publicKey: attacker.publicKey },
      { name: 'Bank', publicKey: attacker.publicKey },
    ])
  })

  test('swapped keys in the exchange of the code: shares of his own, of low order, or none', async () => {
    const share = (password: string) => {
      const generator = cpaceGenerator({
        password: new TextEncoder().encode(password),
        channel: new TextEncoder().encode('usmp-relay pair v1'),
        sessionId: new Uint8Array(16),
      })
      return cpaceShare(generator, cpaceScalar(nodeRandom))
    }
    for (const own of [share('cabin-cable'), new Uint8Array(32), new Uint8Array(32).fill(0xff)]) {
      for (const sides of [[0], [1], [0, 1]]) {
        const relay = new HostileRelay()
        relay.alter = (message, side) =>
          sides.includes(side) && (message.length === 53 || message.length === 37)
            ? [concatBytes(message.subarray(0, -32), own)]
            : [message]
        expectBurnt(await pairAt(relay))
      }
    }
  })

  test('cut after the first message: the guess is used, at both ends', async () => {
    const relay = new HostileRelay()
    relay.alter = () => {
      for (const socket of [...relay.sockets]) socket.drop()
      return []
    }
    expectBurnt(await pairAt(relay))
  })

  describe.each(ATTACKS)('%s', (attack) => {
    test.each([0, 1] as const)('of each message of side %i: nobody learns anything wrong', async (side) => {
      let failures = 0
      for (let n = 0, happened = true; happened; n++) {
        const relay = new HostileRelay()
        const attackIt = attackOne(attack, side, n, relay)
        let seen = 0
        relay.alter = (message, from) => {
          if (from === side) seen++
          return attackIt(message, from)
        }
        const pairing = await pairAt(relay)
        expectNothingWrong(pairing)
        happened = seen > n
        if (!isPeer(pairing.host) || !isPeer(pairing.guest)) failures++
      }
      // Offer or answer, two of the handshake, introduction, and confirmation.
      expect(failures).toBeGreaterThanOrEqual(4)
    })
  })
})

// ─── later ───

/** Peers that know each other, at a relay in whose middle somebody sits. */
function peersAt(relay: HostileRelay): [EchoPeer, EchoPeer, SimulatedClock] {
  const clock = new SimulatedClock()
  const at = (side: Side) => new EchoPeer({ dial: relay.dial, keys: keysOf(side), clock })
  return [at(0), at(1), clock]
}

async function advanceUntil(clock: SimulatedClock, condition: () => boolean): Promise<void> {
  for (let i = 0; i < 5_000 && !condition(); i++) {
    await turns(3)
    if (!condition()) clock.advance(50)
  }
  await until(condition)
}

/** Does the handshake of the other side with a key of his own. */
async function handshakeWithBoth({ side }: Join, circuit: Transport): Promise<void> {
  const { psk, deviceId } = strangerKeys(side)
  const common = { random: nodeRandom, provider: nodeProvider, suite: 2 } as const
  try {
    if (side === 0) await Session.connect(circuit, { ...common, psk, deviceId: deviceId('2026-11-30') })
    else {
      const { suite, ...rest } = common
      await Session.accept(circuit, { ...rest, authorize: () => ({ psk, suite }) })
    }
    throw new Error('the man in the middle has a session')
  } catch (error) {
    if (!(error instanceof UsmpError)) throw error
  }
}

describe('a hostile relay between peers that know each other', () => {
  test('a man in the middle: no session at either side, both tell it, and go on', async () => {
    const relay = new HostileRelay()
    relay.onPeer = (join, circuit) => void handshakeWithBoth(join, circuit)
    const [first, second, clock] = peersAt(relay)
    await advanceUntil(clock, () => first.errors.length >= 3 && second.errors.length >= 3)
    expect([first.sessions, second.sessions]).toEqual([[], []])
    expect(new Set(first.errors)).toEqual(new Set(['AUTH_FAILED']))
    expect(new Set(second.errors)).toEqual(new Set(['HANDSHAKE_REFUSED']))
    relay.onPeer = undefined
    await advanceUntil(clock, () => first.sessions.length === 1 && second.sessions.length === 1)
  })

  test('a false proof of the server: the client says AUTH_FAILED', async () => {
    const relay = new HostileRelay()
    relay.alter = (message) => {
      const { type } = decodeFrame(message)
      return [type === PacketType.SESSION_OK ? withRightCrc(message) : message]
    }
    const [, second, clock] = peersAt(relay)
    await advanceUntil(clock, () => second.errors.length >= 2)
    expect([new Set(second.errors), second.sessions]).toEqual([new Set(['AUTH_FAILED']), []])
  })

  test('swapped keys in the handshake: no session', async () => {
    const { publicKey } = nodeProvider.generateKeyPair(nodeRandom)
    for (const [swapped, first] of [
      [PacketType.HELLO, 'AUTH_FAILED'],
      [PacketType.CHALLENGE, 'AUTH_FAILED'],
    ] as const) {
      const relay = new HostileRelay()
      relay.alter = (message) => {
        const { type, payload, seq } = decodeFrame(message)
        const altered = concatBytes(payload.subarray(0, -32), publicKey)
        return [type === swapped ? encodeFrame({ type, seq, payload: altered }) : message]
      }
      const [server, client, clock] = peersAt(relay)
      await advanceUntil(clock, () => server.errors.length >= 1 && client.errors.length >= 1)
      expect([server.errors[0], server.sessions, client.sessions]).toEqual([first, [], []])
    }
  })

  test('a peer that is joined with itself, and a session that was recorded: no session', async () => {
    const mirror = new HostileRelay()
    mirror.alter = (message, side) => {
      for (const socket of mirror.sockets) if (socket.join?.side === side) socket.deliver(message)
      return []
    }
    const [server, client, clock] = peersAt(mirror)
    await advanceUntil(clock, () => server.errors.length >= 1 && client.errors.length >= 1)
    expect([server.sessions, client.sessions]).toEqual([[], []])

    const relay = new HostileRelay()
    const recorded: Uint8Array[][] = [[], []]
    relay.alter = (message, side) => {
      recorded[side]!.push(message)
      return [message]
    }
    const peers = peersAt(relay)
    await advanceUntil(peers[2], () => peers[0].sessions.length === 1 && peers[1].sessions.length === 1)
    await peers[1].sessions[0]!.send('pay 10 euro')
    await until(() => peers[1].echoes.length === 1)
    for (const peer of peers.slice(0, 2) as EchoPeer[]) await peer.stop()
    for (const side of [0, 1] as const) {
      const replayer = new HostileRelay()
      replayer.onPeer = (join, circuit) => circuit.write(recorded[1 - join.side]!)
      const victim = new EchoPeer({ dial: replayer.dial, keys: keysOf(side), clock: peers[2] })
      await advanceUntil(peers[2], () => victim.errors.length >= 1)
      expect(victim.sessions).toEqual([])
      await victim.stop()
    }
  })

  test('it says PEER, and there is nobody: the handshake times out, again and again', async () => {
    const relay = new HostileRelay()
    relay.onPeer = () => {}
    const [first, second, clock] = peersAt(relay)
    await advanceUntil(clock, () => first.errors.length >= 2 && second.errors.length >= 2)
    expect(new Set([...first.errors, ...second.errors])).toEqual(new Set(['HANDSHAKE_TIMEOUT']))
  })

  test('it floods with words and messages: bounded, told, and over', async () => {
    const relay = new HostileRelay()
    relay.onPeer = (_, circuit) => {
      const junk = Array.from({ length: 2_000 }, () => Uint8Array.of(RelayMessage.PEER))
      circuit.write(junk)
    }
    const [first, second, clock] = peersAt(relay)
    await advanceUntil(clock, () => first.errors.length >= 1 && second.errors.length >= 1)
    expect([first.sessions, second.sessions]).toEqual([[], []])
  })
})

describe.each([
  ['flip', ['DECRYPT_FAILED']],
  ['repeat', ['SEQ_MISMATCH']],
  ['reorder', ['SEQ_MISMATCH']],
  ['drop', ['SEQ_MISMATCH']],
  ['reflect', ['DECRYPT_FAILED', 'SEQ_MISMATCH']],
  ['cut short', ['INCOMPLETE', 'BAD_CRC']],
  ['insert', ['BAD_NONCE']],
] as const)('a hostile relay that does one thing again and again: %s', (attack, codes) => {
  test('the session ends with the right code, and what is shown is what was said: once, in order', async () => {
    const relay = new HostileRelay()
    const clock = new SimulatedClock()
    const peers = [new NotingPeer(relay.dial, 0, { clock }), new NotingPeer(relay.dial, 1, { clock })] as const
    for (const peer of peers) peer.receive()
    await until(() => peers.every(({ peer }) => peer.state === 'online'))
    let attacks = 0
    const attackLater = (): void => {
      attacks++
      relay.alter = pass
      if (attacks < 5) relay.alter = attackOne(attack, (attacks % 2) as Side, 20, relay, attackLater)
    }
    const pass: Alter = (message) => [message]
    // Behind the handshake and the hellos.
    await turns()
    relay.alter = attackOne(attack, 0, 5, relay, attackLater)
    const name = ['pay 10 euro to a', 'pay 10 euro to b']
    for (let i = 0; i < 200; i++) {
      for (const side of [0, 1] as const) await peers[side].peer.channel.send(`${name[side]} ${i}`)
      await turns(2)
      clock.advance(100)
    }
    await advanceUntil(clock, () => peers.every(({ received }) => received.length >= 200))
    await turns(50)
    expect(attacks).toBe(5)
    expect(peers[0].received).toEqual(numbered(name[1]!, 200))
    expect(peers[1].received).toEqual(numbered(name[0]!, 200))
    // Later ones may strike a handshake.
    const first = peers.map(({ errors }) => errors[0]!)
    const right: readonly string[] = codes
    expect([...right, 'TRUNCATED']).toEqual(expect.arrayContaining(first))
    expect(
      first.some((code) => right.includes(code)),
      first.join(),
    ).toBe(true)
  })
})
