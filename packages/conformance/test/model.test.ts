// The checked model of the handshake and of rekey: docs/handshake-model.md says what it is and where it ends.
import { readdirSync, readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { search } from '../src/maude.js'

type Search = readonly [scenario: string, condition: string]

const handshake = (transcripts: string, ...searches: Search[]) =>
  search('HANDSHAKE', ['terms.maude', `transcripts/${transcripts}.maude`, 'handshake.maude'], searches)

const rekey = (rules: string, ...searches: Search[]) =>
  search('REKEY', [`rekey-rules/${rules}.maude`, 'rekey.maude'], searches)

const datagramRekey = (leftOut: readonly string[], ...searches: Search[]) =>
  search('DATAGRAM-REKEY', ['datagram-rekey.maude'], searches, leftOut)

const filesOf = (folder: string) =>
  readdirSync(new URL(`../model/${folder}`, import.meta.url)).map((file) => file.replace('.maude', ''))

/** Each search goes through every world that can come about, and finds none like that. */
async function never(results: Promise<{ found: boolean; states: number }[]>, atLeast: number): Promise<void> {
  for (const { found, states } of await results) {
    expect(found).toBe(false)
    // A model in which nothing can happen has nothing bad in it either.
    expect(states).toBeGreaterThanOrEqual(atLeast)
  }
}

async function found(results: Promise<{ found: boolean }[]>): Promise<void> {
  for (const result of await results) expect(result.found).toBe(true)
}

describe('the handshake under an attacker who is the network', () => {
  test('an honest run is possible: both ends are established with the same keys', () =>
    found(handshake('specified', ['alone', 'together'])))

  test.each([
    ['one device, two connections, two servers', 'oneDevice', 8000],
    ['two devices with keys of their own', 'twoDevices', 20_000],
    ['two devices with one key', 'fleet', 20_000],
    ['beside a device whose key is stolen', 'stolenDevice', 1500],
  ])('agreement, secrecy and no replay: %s', (_, scenario, states) =>
    never(handshake('specified', [scenario, 'deceived'], [scenario, 'disclosed'], [scenario, 'replayed']), states),
  )

  test.each([
    ['two challenges answered, two servers', 'datagrams', 1500],
    ['four challenges answered', 'manyChallenges', 800],
  ])('agreement and secrecy on datagrams: %s', (_, scenario, states) =>
    never(handshake('specified', [scenario, 'deceived'], [scenario, 'disclosed']), states),
  )

  test('on datagrams one client may leave two servers established, of which it uses one', () =>
    found(handshake('specified', ['datagrams', 'replayed'])))

  test('nothing negotiates the suite: both ends can be established and differ in it', () =>
    found(handshake('specified', ['otherSuite', 'suitesDiffer'])))
})

describe('when the PSK is stolen', () => {
  test('before: the attacker can be either end', () =>
    found(handshake('specified', ['keyKnownBefore', 'impersonated'])))

  test('meanwhile: handshakes that were over are safe, in agreement and in secrecy', () =>
    never(handshake('specified', ['keyStolenDuring', 'deceived'], ['keyStolenDuring', 'disclosed']), 2000))

  test('meanwhile: handshakes that were not over can be taken over', () =>
    found(handshake('specified', ['keyStolenDuring', 'impersonated'])))

  test('after: recorded sessions stay secret (forward secrecy)', () =>
    never(handshake('specified', ['keyStolenAfter', 'disclosed'], ['keyStolenAfter', 'impersonated']), 25))
})

/** For every field that a code covers: what an attacker can do when it does not. */
const missed: Record<string, Search[]> = {
  'without-nonce-in-mac_C': [['oneDevice', 'deceived']],
  'without-device_id-in-mac_C': [['fleet', 'deceived']],
  'without-pub_C-in-mac_C': [
    ['alone', 'deceived'],
    ['alone', 'disclosed'],
    ['oneDevice', 'replayed'],
  ],
  'without-pub_S-in-mac_C': [['alone', 'deceived']],
  'without-nonce-in-mac_S': [['manyChallenges', 'deceived']],
  'without-session_id-in-mac_S': [['alone', 'deceived']],
  'without-pub_C-in-mac_S': [['oneDevice', 'deceived']],
  'without-pub_S-in-mac_S': [
    ['manyChallenges', 'deceived'],
    ['manyChallenges', 'disclosed'],
  ],
}

describe('a code that leaves out one field is caught', () => {
  test('each field has its wrong variant', () => {
    expect(filesOf('transcripts').sort()).toEqual([...Object.keys(missed), 'specified'].sort())
  })

  test.each(Object.entries(missed))('%s', (variant, searches) => found(handshake(variant, ...searches)))

  test.each(['without-device_id-in-mac_C'])('%s does no harm while each device has its own key', (variant) =>
    never(handshake(variant, ['twoDevices', 'deceived'], ['twoDevices', 'disclosed']), 20_000),
  )

  test.each(['without-nonce-in-mac_S', 'without-pub_S-in-mac_S'])(
    '%s does no harm while a client answers one challenge only',
    (variant) => never(handshake(variant, ['oneDevice', 'deceived'], ['oneDevice', 'disclosed']), 8000),
  )
})

describe('rekey while frames of both ends are under way', () => {
  const bad = ['endedByHonestFrame', 'nonceRepeated', 'leftOver']

  test('both can start one before either has seen the other’s', () =>
    found(rekey('specified', ['scenario(1, 1, 1, 1)', 'crossed'])))

  test.each([
    ['one of each end', 'scenario(1, 1, 1, 1)', 3000],
    ['two of the client', 'scenario(1, 2, 1, 1)', 20_000],
    ['two of the server', 'scenario(1, 1, 1, 2)', 20_000],
    ['two of each end, no data', 'scenario(0, 2, 0, 2)', 2500],
  ])('no frame refused, no nonce repeated, nothing lost, one key at the end: %s', (_, scenario, states) =>
    never(rekey('specified', ...bad.map((condition) => [scenario, condition] as const)), states),
  )

  test.each([
    ['no-old-keys', 'endedByHonestFrame'],
    ['nobody-wins', 'endedByHonestFrame'],
    ['losing-epoch-dropped', 'endedByHonestFrame'],
    ['derived-from-losing-keys', 'endedByHonestFrame'],
    ['both-win', 'leftOver'],
    ['without-salt', 'nonceRepeated'],
  ])('a wrong rule is caught: %s', (rules, condition) => found(rekey(rules, ['scenario(1, 1, 1, 1)', condition])))

  test('each wrong rule is looked at', () => {
    expect(filesOf('rekey-rules')).toHaveLength(7)
  })
})

/** For every rule of 5.6, and of 5.3 and 5.5 where they say more for datagrams: a scenario in which it is missed, and what goes wrong there. */
const missedOnDatagrams: Record<string, Search> = {
  startsWithNothingUnderWay: ['scenario(1, 1, 1, 0)', 'stuck'],
  nothingBesideREKEY: ['scenario(0, 1, 0, 1)', 'stuck'],
  checkedUnderItsKey: ['scenario(2, 1, 0, 0)', 'stuck'],
  keyOfTheFrame: ['scenario(0, 1, 0, 0)', 'stuck'],
  oldEpochIsKept: ['scenario(0, 1, 0, 0)', 'stuck'],
  oldSendingKeyIsKept: ['scenario(0, 1, 1, 0)', 'stuck'],
  restStays: ['scenario(nothing, 1, long(0), 0)', 'stuck'],
  framesStay: ['scenario(0, 1, 1, 0)', 'handedTwice'],
  newFramesWait: ['scenario(0, 1, 1, 0)', 'stuck'],
  clientWins: ['scenario(0, 1, 0, 1)', 'stuck'],
  losingEpochIsKept: ['scenario(0, 1, 0, 1)', 'stuck'],
  losersFramesStay: ['scenario(0, 1, 1, 1)', 'stuck'],
  loserWaits: ['scenario(0, 1, 0, 1)', 'stuck'],
}

/** Rules that no property needs: each only saves repeats, or another one makes up for it. */
const sparing = ['epochAddedAtOnce', 'newEpochAcknowledges', 'winnerAcknowledges', 'loserStops']

describe('rekey on datagrams that are lost, repeated, delayed and reordered', () => {
  test('it comes to its end, and both can start one before either has seen the other’s', () =>
    found(datagramRekey([], ['scenario(1, 1, 1, 1)', 'crossed'], ['scenario(0, 1, 0, 1)', 'done'])))

  test.each([
    ['one of each end', 'scenario(1, 1, 1, 1)', 80_000],
    ['two of the client', 'scenario(0, 2, 0, 1)', 14_000],
    ['two of the server', 'scenario(0, 1, 0, 2)', 20_000],
    ['one of the client, three messages', 'scenario(2, 1, 1, 0)', 4000],
    ['one of each end, a long message of the server', 'scenario(nothing, 1, long(0), 1)', 7000],
    ['one of each end, a long message of the client', 'scenario(long(0), 1, nothing, 1)', 6500],
  ])(
    'nobody is stuck, no nonce repeated, no message lost or handed over twice, one key at the end: %s',
    (_, scenario, states) => never(datagramRekey([], [scenario, 'wrong']), states),
    // Ten seconds of a processor for the largest.
    90_000,
  )

  test.each(Object.entries(missedOnDatagrams))('a rule that is left out is missed: %s', (rule, missing) =>
    found(datagramRekey([rule], missing)),
  )

  test.each(sparing)('a rule that is left out is not missed: %s', (rule) =>
    never(datagramRekey([rule], ['scenario(0, 1, 1, 1)', 'wrong']), 5000),
  )

  test('the winner acknowledges the loser’s REKEY, or the loser stops repeating it: one of the two is needed', () =>
    found(datagramRekey(['winnerAcknowledges', 'loserStops'], ['scenario(0, 1, 0, 1)', 'stuck'])))

  test('each rule is looked at', () => {
    const model = readFileSync(new URL('../model/datagram-rekey.maude', import.meta.url), 'utf8')
    const rules = [...model.matchAll(/^ {2}eq (\w+) = true \.$/gm)].map(([, rule]) => rule)
    expect(rules.sort()).toEqual([...Object.keys(missedOnDatagrams), ...sparing].sort())
  })
})
