import type { Rollout } from '@usmp/gateway/contract'
import { type Kind, kindWord, targetsOf, totalsOf } from '../state/rollout-progress.js'
import { whole } from '../text.js'

/** In the order of the bar, from the left. What still waits is what is left of the bar. */
const DRAWN: readonly Kind[] = ['done', 'busy', 'failed']

/** How far a roll-out is, by the state of its devices. What the colours say stands beside it in words. */
export function RolloutBar({ counts }: { counts: Rollout['counts'] }) {
  const totals = totalsOf(counts)
  const targets = targetsOf(totals)
  return (
    <span class="rollout-bar">
      <span class="rollout-track" aria-hidden="true">
        {targets > 0 &&
          DRAWN.map((kind) => <span key={kind} class={kind} style={{ width: `${(100 * totals[kind]) / targets}%` }} />)}
      </span>
      <span class="num">
        {targets === 0 ? (
          <span class="dim">no device yet</span>
        ) : (
          <>
            {whole(totals.done)}
            <span class="dim"> of {whole(targets)}</span>
            <span class="sr"> updated</span>
          </>
        )}
        {totals.failed > 0 && <span class="failed-count"> · {whole(totals.failed)} failed</span>}
      </span>
    </span>
  )
}

/** In the order of the figures. */
const TOLD: readonly Kind[] = ['done', 'busy', 'waiting', 'offline', 'failed', 'skipped']

/** All kinds with their counts, as figures. */
export function RolloutFigures({ rollout }: { rollout: Rollout }) {
  const totals = totalsOf(rollout.counts)
  return (
    <dl class="rollout-figures">
      {TOLD.filter((kind) => totals[kind] > 0 || kind === 'done' || kind === 'failed').map((kind) => (
        <div key={kind} class={kind}>
          <dt>{kindWord(kind, rollout)}</dt>
          <dd class={totals[kind] === 0 ? 'num none' : 'num'}>{whole(totals[kind])}</dd>
        </div>
      ))}
    </dl>
  )
}
