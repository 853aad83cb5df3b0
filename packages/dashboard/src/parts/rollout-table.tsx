import type { Rollout } from '@usmp/gateway/contract'
import { rolloutAddress } from '../router.js'
import { now } from '../state/clock.js'
import { targetText } from '../state/rollout-plan.js'
import { ago, dateTime, shown } from '../text.js'
import { DeviceText } from './device-text.js'
import { RolloutBadge } from './rollout-badge.js'
import { RolloutBar } from './rollout-bar.js'

/** All roll-outs, the newest first. The whole row leads to the page of one. */
export function RolloutTable({ rollouts }: { rollouts: readonly Rollout[] }) {
  return (
    <table class="plain rows rollouts">
      <caption class="sr">Roll-outs, newest first</caption>
      <thead>
        <tr>
          <th scope="col">Roll-out</th>
          <th scope="col">State</th>
          <th scope="col">Devices</th>
          <th scope="col">Image</th>
          <th scope="col">Since</th>
        </tr>
      </thead>
      <tbody>
        {rollouts.map((rollout) => (
          <RolloutRow key={rollout.id} rollout={rollout} />
        ))}
      </tbody>
    </table>
  )
}

function RolloutRow({ rollout }: { rollout: Rollout }) {
  const { id, name, image, target, since, counts } = rollout
  return (
    <tr>
      <th scope="row">
        <a href={rolloutAddress(id)}>
          <DeviceText text={name} />
        </a>
        <span class="dim below">
          <DeviceText text={`for ${targetText(target)}`} />
        </span>
      </th>
      <td class="state">
        <RolloutBadge rollout={rollout} />
      </td>
      <td class="progress">
        <RolloutBar counts={counts} />
      </td>
      <td>
        <span class="num">{shown(image.version)}</span>{' '}
        <span class="dim">{shown(`${image.product}, ${image.chip}`)}</span>
      </td>
      <td class="since num dim" title={dateTime(since)}>
        {ago(since, now.value)}
      </td>
    </tr>
  )
}
