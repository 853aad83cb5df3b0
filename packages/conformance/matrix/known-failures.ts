import type { Implementation, MatrixTransport } from './implementations.js'

/** A fault of a published peer that cannot be repaired here any more; what is left out for its sake, and no more than that. */
export interface KnownFailure {
  /** Name of the implementation. */
  readonly peer: Implementation['name']
  readonly transport: MatrixTransport
  /** The step that is left out wherever the peer takes part, with itself too. */
  readonly step: 'rekey'
  /** For the table of docs/conformance.md, in Markdown. */
  readonly why: string
}

export const knownFailures: readonly KnownFailure[] = [
  {
    peer: 'Python 1.2.2',
    transport: 'udp',
    step: 'rekey',
    why: 'it acknowledges and drops messages afterwards ([published peers](published-peers.md), [specification, 5.7](spec/05-rekey.md))',
  },
]
