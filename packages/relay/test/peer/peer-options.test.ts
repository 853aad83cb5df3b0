import { describeOptions } from '@usmp/testing/option-suite'
import { openCircuit } from '../../src/circuit.ts'
import { Identity } from '../../src/identity.ts'
import { hostByCode, joinByCode } from '../../src/pair-by-code.ts'
import { PairingCode } from '../../src/pairing-code.ts'
import { RelayPeer } from '../../src/peer.ts'
import { circuitTable, pairByCodeTable, relayPeerTable, relaySessionsTable } from '../../src/peer-options.ts'
import { relaySessions } from '../../src/relay-sessions.ts'
import { keysOf, RELAY } from './pair-of-peers.ts'

const dial = async () => Promise.reject(new Error('nobody should dial'))
const meeting = { relay: RELAY, dial, keys: keysOf(0) }
const join = { route: new Uint8Array(16), side: 0, pairing: false, token: new Uint8Array(0) }
const pairing = { relay: RELAY, dial, code: PairingCode.generate(), identity: Identity.generate(), name: 'Bank' }

describeOptions([
  {
    name: 'openCircuit',
    table: circuitTable,
    good: { url: RELAY, dial, join },
    call: (options) => openCircuit(options),
  },
  {
    name: 'relaySessions',
    table: relaySessionsTable,
    good: meeting,
    call: (options) => relaySessions(options).next(),
  },
  { name: 'RelayPeer.start', table: relayPeerTable, good: meeting, call: (options) => RelayPeer.start(options) },
  { name: 'hostByCode', table: pairByCodeTable, good: pairing, call: (options) => hostByCode(options) },
  { name: 'joinByCode', table: pairByCodeTable, good: pairing, call: (options) => joinByCode(options) },
])
