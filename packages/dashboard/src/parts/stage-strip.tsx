import type { ComponentChildren } from 'preact'
import type { Step, StepState } from '../state/rollout-plan.js'

export interface StepView {
  readonly step: Step
  readonly state: StepState
  /** The state of a step that is not simply under way, over or to come. */
  readonly look?: 'paused' | 'aborted'
  /** What is to be said of it, in a line. */
  readonly says: ComponentChildren
}

const SIGNS: Record<StepState, string> = { over: '✓', now: '▸', 'to-come': '' }
const SAID: Record<StepState, string> = { over: ', over', now: ', now', 'to-come': ', to come' }
const LOOK_SIGNS = { paused: 'Ⅱ', aborted: '✕' } as const

/** The stages of a roll-out, in order: canary, pause, waves. On a phone they stand below each other. */
export function StageStrip({ steps, label }: { steps: readonly StepView[]; label: string }) {
  return (
    <ol class="stages" aria-label={label}>
      {steps.map(({ step, state, look, says }) => (
        <li
          key={`${step.kind} ${step.stage}`}
          class={`${state} ${look ?? ''}`}
          aria-current={state === 'now' ? 'step' : undefined}
        >
          <span class="stage-sign" aria-hidden="true">
            {look ? LOOK_SIGNS[look] : SIGNS[state]}
          </span>
          <span class="stage-words">
            <b>
              {step.title}
              <span class="sr">{SAID[state]}</span>
            </b>
            <span class="dim num">{says}</span>
          </span>
        </li>
      ))}
    </ol>
  )
}
