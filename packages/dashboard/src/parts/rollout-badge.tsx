import type { Rollout, RolloutDevice } from '@usmp/gateway/contract'
import type { ComponentChildren } from 'preact'
import { now } from '../state/clock.js'
import { doubtful } from '../state/link.js'
import { deviceWords, percentOf, stateWords } from '../state/rollout-progress.js'
import { countdown } from '../text.js'

function Badge({ look, sign, children }: { look: string; sign: string; children: ComponentChildren }) {
  return (
    <span class={`badge ${look}${doubtful.value ? ' doubtful' : ''}`}>
      <span aria-hidden="true" class="sign">
        {sign}
      </span>
      {children}
    </span>
  )
}

/** The state of a roll-out; of a wave which one, and of a soak how long it still takes. */
export function RolloutBadge({ rollout }: { rollout: Rollout }) {
  const { state, stage, settings, soakUntil } = rollout
  const { look, sign, word } = stateWords(rollout)
  return (
    <Badge look={look} sign={sign}>
      {word}
      {state === 'wave' && ` ${stage} of ${settings.waves.length}`}
      {state === 'soaking' && soakUntil !== null && ` ${countdown(soakUntil - now.value)}`}
    </Badge>
  )
}

/** The state of one device in a roll-out; of a transfer how far it is. */
export function UpdateBadge({ device, rollout }: { device: RolloutDevice; rollout: Rollout }) {
  const { look, sign, word } = deviceWords(device.state, rollout)
  const percent = percentOf(device, rollout.image)
  return (
    <Badge look={look} sign={sign}>
      {word}
      {percent !== null && ` ${percent} %`}
    </Badge>
  )
}
