// What tests of USMP need and no test runner: simulated time and networks, two connections on them, one random source, a lossy
// relay for UDP, and small helpers. Suites have entries of their own, as they need Vitest: adapter-suite, provider-suite,
// option-suite. Everything here depends on @usmp/core alone, so that tests of the core do not load sockets.
export { bytesOf, expectBytes, flipBit, inOrderOf, pattern, text, textOf } from './bytes.js'
export { codeOf, codeThrownBy, failureOf } from './failures.js'
export { DEVICE_ID, DEVICE_ID_BYTES, deviceNumber, OTHER_PSK, PSK } from './identities.js'
export { LossyRelay, type RelayConditions, type RelayCounts } from './lossy-relay.js'
export { type Network, otherSide, type Packet, Pair, type PairOptions, type Side } from './pair.js'
export { pseudoRandom, Random } from './random.js'
export { type Recording, recordingProvider } from './recording-provider.js'
export { type CircuitOptions, type SeenFrame, SimulatedCircuit } from './simulated-circuit.js'
export { SimulatedClock, SimulatedTime } from './simulated-clock.js'
export { type Conditions, simulatedNetwork } from './simulated-network.js'
export { collect, isSettled, turn, turns, until } from './waiting.js'
