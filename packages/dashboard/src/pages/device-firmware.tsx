import type { Device, DeviceUpdates, Rollout, RolloutDevice } from '@usmp/gateway/contract'
import { useEffect } from 'preact/hooks'
import { DeviceText } from '../parts/device-text.js'
import { Show, useLoaded } from '../parts/load.js'
import { RolloutBadge, UpdateBadge } from '../parts/rollout-badge.js'
import { Percent, UpdateWords } from '../parts/rollout-device-table.js'
import { rolloutAddress } from '../router.js'
import { now } from '../state/clock.js'
import { forgetShownDevices, loadRollout, rolloutOf, shownDevices } from '../state/rollouts.js'
import { ago, shown, whole } from '../text.js'

/** What the device runs, whether it can go back, and where it is in its roll-out. */
export function DeviceFirmware({ device }: { device: Device }) {
  return (
    <div class="cards">
      <section class="card">
        <h2>Firmware</h2>
        <Firmware device={device} />
      </section>
      <section class="card stack">
        <h2>Roll-out</h2>
        {device.updates?.rollout ? (
          <InRollout key={device.updates.rollout} device={device} rolloutId={device.updates.rollout} />
        ) : (
          <p class="dim">The device is in no roll-out.</p>
        )}
      </section>
    </div>
  )
}

function Firmware({ device: { firmware, updates, session } }: { device: Device }) {
  if (updates) return <Told updates={updates} />
  return (
    <div class="stack">
      {firmware && (
        <dl class="facts">
          <dt>Product</dt>
          <dd>
            <DeviceText text={firmware.product} />
          </dd>
          <dt>Version</dt>
          <dd class="num">{shown(firmware.version)}</dd>
          {firmware.chip && (
            <>
              <dt>Chip</dt>
              <dd>{shown(firmware.chip)}</dd>
            </>
          )}
        </dl>
      )}
      <p class="dim">
        {updates === null
          ? 'The device takes no updates over USMP: its firmware does not know them.'
          : session
            ? 'The gateway has asked the device for more, and waits for its answer.'
            : 'The device had no session since the gateway was started, so more is not known.'}
      </p>
    </div>
  )
}

const NOT_KNOWN = /^0+$/

function Told({ updates }: { updates: DeviceUpdates }) {
  const { product, chip, version, counter, sha256, state, rollback, keys } = updates
  return (
    <dl class="facts">
      <dt>Product</dt>
      <dd>
        <DeviceText text={product} /> <span class="dim">on {shown(chip)}</span>
      </dd>
      <dt>Version</dt>
      <dd class="num">
        {shown(version)}
        {state === 'pending' ? (
          <span class="badge waiting">◔ On trial</span>
        ) : (
          <span class="badge online">✓ Confirmed</span>
        )}
      </dd>
      <dt>Counter</dt>
      <dd class="num">
        {whole(counter)} <span class="dim">it takes no image with a lower one</span>
      </dd>
      <dt>Goes back</dt>
      <dd>
        {rollback ? (
          'to the image before, if a new one is not confirmed'
        ) : (
          <>
            not shown yet <span class="dim">the boot loader may have been built without it</span>
          </>
        )}
      </dd>
      <dt>Trusts keys</dt>
      <dd class="mono">{keys.length === 0 ? 'none' : keys.map((key) => shown(key)).join(', ')}</dd>
      <dt>SHA-256</dt>
      <dd class={NOT_KNOWN.test(sha256) ? undefined : 'mono sha'}>
        {NOT_KNOWN.test(sha256) ? <span class="dim">not known: the image came by cable</span> : shown(sha256)}
      </dd>
    </dl>
  )
}

function InRollout({ device: { id }, rolloutId }: { device: Device; rolloutId: string }) {
  const loaded = useLoaded(() => loadRollout(rolloutId), [rolloutId])
  useEffect(() => forgetShownDevices, [rolloutId])
  const rollout = rolloutOf(rolloutId)
  const update = shownDevices.value?.id === rolloutId ? shownDevices.value.devices.get(id)?.value : undefined
  return (
    <Show of={loaded} what="the roll-out" lines={2}>
      {() => rollout && <State rollout={rollout} update={update} />}
    </Show>
  )
}

function State({ rollout, update }: { rollout: Rollout; update: RolloutDevice | undefined }) {
  const { id, name, image } = rollout
  return (
    <>
      <dl class="facts">
        <dt>Name</dt>
        <dd>
          <a href={rolloutAddress(id)}>
            <DeviceText text={name} />
          </a>
          <RolloutBadge rollout={rollout} />
        </dd>
        <dt>To version</dt>
        <dd class="num">{shown(image.version)}</dd>
        {update && (
          <>
            <dt>This device</dt>
            <dd>
              <UpdateBadge device={update} rollout={rollout} />
              <span class="dim num">{ago(update.since, now.value)}</span>
              <Percent device={update} rollout={rollout} />
            </dd>
          </>
        )}
      </dl>
      {update && <UpdateWords device={update} rollout={rollout} />}
    </>
  )
}
