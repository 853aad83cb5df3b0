import type { OtaState } from '@usmp/ota'

/** A device that is online for so long is a canary that can be trusted to stay, ms. */
const STEADY = 3600_000

/** What is known of a device that has no stage yet. */
export interface Candidate {
  readonly id: string
  readonly group: string | null
  /** When its session began: a date; null: it has none. */
  readonly onlineSince: number | null
  /** Undefined: it has told nothing yet. Null: it takes no updates. */
  readonly report: OtaState | null | undefined
}

/**
 * Canaries: such as are online for an hour if there are any, and of as many different groups and running versions as can be.
 * @param taken canaries that are there already
 */
export function chooseCanaries(
  seed: string,
  candidates: readonly Candidate[],
  count: number,
  taken: readonly Candidate[],
  now: number,
): readonly string[] {
  const steadiness = ({ onlineSince }: Candidate) => (onlineSince !== null && now - onlineSince >= STEADY ? 0 : 1)
  const left = inOrder(seed, candidates, steadiness)
  const seen = new Map<string, number>()
  for (const each of taken) seen.set(kindOf(each), (seen.get(kindOf(each)) ?? 0) + 1)
  const chosen: string[] = []
  while (chosen.length < count && left.length > 0) {
    const rank = (each: Candidate) => steadiness(each) * 1_000_000 + (seen.get(kindOf(each)) ?? 0)
    const best = left.reduce((a, b) => (rank(b) < rank(a) ? b : a))
    left.splice(left.indexOf(best), 1)
    seen.set(kindOf(best), (seen.get(kindOf(best)) ?? 0) + 1)
    chosen.push(best.id)
  }
  return chosen
}

/** Devices of a wave: those that are online first, as an early wave should show something; else by chance. */
export function chooseWave(seed: string, candidates: readonly Candidate[], count: number): readonly string[] {
  const rank = ({ onlineSince }: Candidate) => (onlineSince === null ? 1 : 0)
  return inOrder(seed, candidates, rank)
    .slice(0, Math.max(0, count))
    .map(({ id }) => id)
}

/** By rank, and by chance within a rank. */
function inOrder(seed: string, candidates: readonly Candidate[], rank: (candidate: Candidate) => number): Candidate[] {
  const keyed = candidates.map((candidate) => ({ candidate, rank: rank(candidate), order: order(seed, candidate.id) }))
  keyed.sort((a, b) => a.rank - b.rank || a.order - b.order)
  return keyed.map(({ candidate }) => candidate)
}

function kindOf({ group, report }: Candidate): string {
  return `${report?.version ?? ''} ${group ?? ''}`
}

/** The same order at each call, another one in each roll-out: FNV-1a, 32 bits. */
function order(seed: string, id: string): number {
  let hash = 0x811c9dc5
  for (const char of `${seed}/${id}`) hash = Math.imul(hash ^ char.charCodeAt(0), 0x01000193) >>> 0
  return hash
}
