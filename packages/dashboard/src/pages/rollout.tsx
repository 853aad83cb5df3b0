import type { Image, Rollout, RolloutDevice } from '@usmp/gateway/contract'
import { useEffect } from 'preact/hooks'
import { api } from '../api.js'
import { Action } from '../parts/action.js'
import { DeviceText } from '../parts/device-text.js'
import { Icon } from '../parts/icon.js'
import { Signature } from '../parts/image-table.js'
import { type Loaded, Show, useLoaded } from '../parts/load.js'
import { Page, Skeleton } from '../parts/page.js'
import { RolloutBadge } from '../parts/rollout-badge.js'
import { RolloutFigures } from '../parts/rollout-bar.js'
import { RolloutDeviceTable } from '../parts/rollout-device-table.js'
import { actOnRollout } from '../parts/rollout-dialogs.js'
import { StageStrip, type StepView } from '../parts/stage-strip.js'
import { now } from '../state/clock.js'
import { openDialog } from '../state/dialogs.js'
import { tellDone } from '../state/notices.js'
import { isAtPause, type Step, stepState, stepsOf, targetText, timeText } from '../state/rollout-plan.js'
import { totalsOf } from '../state/rollout-progress.js'
import {
  devicesRevision,
  forgetShownDevices,
  loadRollout,
  rolloutOf,
  rollouts,
  shownDevices,
} from '../state/rollouts.js'
import { ago, bytes, countdown, dateTime, plural, sentence, shown, span, whole } from '../text.js'

/** One roll-out: where it is, what each device does, and how to hold it up. */
export function RolloutPage({ id }: { id: string }) {
  const loaded = useLoaded(() => loadRollout(id), [id])
  useEffect(() => forgetShownDevices, [id])
  const rollout = rolloutOf(id)
  if (rollout) return <Known rollout={rollout} loaded={loaded} />
  return (
    <Page title="Roll-out" heading={<Heading name="Roll-out" />}>
      {rollouts.value === null ? <Skeleton what="the roll-out" /> : <Gone />}
    </Page>
  )
}

function Heading({ name }: { name: string }) {
  return (
    <>
      <a class="back" href="/updates" aria-label="All roll-outs">
        <Icon name="back" />
      </a>
      <DeviceText text={name} />
    </>
  )
}

function Gone() {
  return (
    <div class="empty">
      <h2>No such roll-out</h2>
      <p>The gateway knows no roll-out with this address.</p>
      <a class="button" href="/updates">
        See all roll-outs
      </a>
    </div>
  )
}

function Known({ rollout, loaded }: { rollout: Rollout; loaded: Loaded<true> }) {
  devicesRevision.value
  const shownNow = shownDevices.value
  const devices = shownNow?.id === rollout.id ? [...shownNow.devices.values()] : []
  const values = devices.map((device) => device.peek())
  useComplete(rollout, loaded, loaded.data && devices.length)
  return (
    <Page title={rollout.name} heading={<Heading name={rollout.name} />} aside={<Acts rollout={rollout} />}>
      <div class="device-head">
        <RolloutBadge rollout={rollout} />
        <span class="dim num">since {ago(rollout.since, now.value)}</span>
        <span class="dim">
          <DeviceText text={`for ${targetText(rollout.target)}`} />
        </span>
        <span class="dim num">
          begun by <DeviceText text={rollout.createdBy} />, {dateTime(rollout.createdAt)}
        </span>
      </div>
      <Reason rollout={rollout} />
      <section class="card stack" aria-labelledby="stages">
        <h2 id="stages" class="sr">
          Stages
        </h2>
        <StageStrip label="Stages" steps={views(rollout, values)} />
        <RolloutFigures rollout={rollout} />
      </section>
      <Show of={loaded} what="the devices" lines={4}>
        {() => <RolloutDeviceTable rollout={rollout} devices={devices} />}
      </Show>
      <div class="cards">
        <ImageCard image={rollout.image} />
        <SettingsCard rollout={rollout} />
      </div>
    </Page>
  )
}

/** Between two looks for devices that came into a roll-out or left it without a word, ms. */
const LOOK_AGAIN = 1_000

/** Asks for the devices again when they are not as many as the roll-out counts: one has left its group, say, or was removed. */
function useComplete(rollout: Rollout, { reload }: Loaded<true>, known: number | null): void {
  const counted = Object.values(rollout.counts).reduce((sum, count) => sum + (count ?? 0), 0)
  useEffect(() => {
    if (known === null || known === counted) return
    const timer = setTimeout(reload, LOOK_AGAIN)
    return () => clearTimeout(timer)
  }, [known, counted, reload])
}

/** Why it does not go on, and what to do now. */
function Reason({ rollout: { state, reason, counts } }: { rollout: Rollout }) {
  if (state === 'paused')
    return (
      <p class="hold" role="status">
        <Because word="Paused" reason={reason} /> Nothing is offered to any device until somebody continues.
        {totalsOf(counts).failed > 0 && ' Who continues accepts the failures up to now.'}
      </p>
    )
  if (state === 'aborted')
    return (
      <p class="fault">
        <Because word="Aborted" reason={reason} />
      </p>
    )
  return null
}

/** `Paused: the reason.`, or `Paused by ada.` where that is all. */
function Because({ word, reason }: { word: string; reason: string | null }) {
  if (!reason) return <b>{word}.</b>
  const begin = `${word.toLowerCase()} by `
  const isPerson = reason.startsWith(begin)
  return (
    <>
      <b>{isPerson ? word : `${word}:`}</b> <bdi>{sentence(isPerson ? reason.slice(word.length + 1) : reason)}</bdi>
    </>
  )
}

/** The stages as they stand now. */
function views(rollout: Rollout, devices: readonly RolloutDevice[]): StepView[] {
  const isHeld = isAtPause(rollout, devices)
  return stepsOf(rollout.settings).map((step) => {
    const state = stepState(step, rollout, isHeld)
    const look =
      state === 'now' && (rollout.state === 'paused' || rollout.state === 'aborted') ? rollout.state : undefined
    return { step, state, ...(look ? { look } : {}), says: says(step, state, rollout, devices) }
  })
}

function says(step: Step, state: StepView['state'], rollout: Rollout, devices: readonly RolloutDevice[]): string {
  if (step.kind === 'pause')
    return state === 'now' ? 'waits for you' : state === 'over' ? 'went on' : 'somebody continues'
  const share = step.share === null ? '' : `up to ${step.share} %`
  if (state === 'now' && rollout.state === 'soaking' && rollout.soakUntil !== null)
    return `stays well for ${countdown(rollout.soakUntil - now.value)} more`
  const own = devices.filter(({ stage, state: at }) => stage === step.stage && at !== 'skipped')
  if (state === 'to-come' || own.length === 0) return share || plural(rollout.settings.canary, 'device')
  return `${whole(own.filter(({ state: at }) => at === 'done').length)} of ${plural(own.length, 'device')}`
}

function Acts({ rollout }: { rollout: Rollout }) {
  const { id, rev, state, name } = rollout
  const failed = totalsOf(rollout.counts).failed
  const act = async (call: Promise<Rollout>, done: string) => {
    await actOnRollout(call, id)
    tellDone(`${shown(name)} ${done}`)
  }
  return (
    <div class="row-gap">
      {failed > 0 && state !== 'aborted' && (
        <Action needs="admin" onAct={() => act(api.retryRollout(id, { rev }), 'tries the failed devices again.')}>
          Retry {whole(failed)} failed
        </Action>
      )}
      {(state === 'canary' || state === 'wave' || state === 'soaking') && (
        <Action onAct={() => act(api.pauseRollout(id, { rev }), 'is paused.')}>Pause</Action>
      )}
      {state !== 'aborted' && (
        <Action
          look="danger"
          onAct={() => {
            openDialog.value = { kind: 'abort-rollout', id }
          }}
        >
          Abort…
        </Action>
      )}
      {state === 'paused' && (
        <Action needs="admin" look="primary" onAct={() => act(api.resumeRollout(id, { rev }), 'goes on.')}>
          Continue
        </Action>
      )}
    </div>
  )
}

function ImageCard({ image }: { image: Image }) {
  return (
    <section class="card">
      <h2>Image</h2>
      <dl class="facts">
        {image.name !== '' && (
          <>
            <dt>Name</dt>
            <dd>
              <DeviceText text={image.name} />
            </dd>
          </>
        )}
        <dt>Version</dt>
        <dd class="num">
          {shown(image.version)}
          {image.leastVersion !== '0.0.0' && (
            <span class="dim">for devices with {shown(image.leastVersion)} or newer</span>
          )}
        </dd>
        <dt>For</dt>
        <dd>
          {shown(image.product)} <span class="dim">on {shown(image.chip)}</span>
        </dd>
        <dt>Counter</dt>
        <dd class="num">{whole(image.counter)}</dd>
        <dt>Signed by</dt>
        <dd>
          <Signature image={image} />
        </dd>
        <dt>Size</dt>
        <dd class="num">{bytes(image.size)}</dd>
        <dt>SHA-256</dt>
        <dd class="mono sha">{image.sha256}</dd>
      </dl>
    </section>
  )
}

function SettingsCard({ rollout: { settings, target } }: { rollout: Rollout }) {
  const { canary, pauseAfterCanary, soak, waves, maxParallel, window } = settings
  return (
    <section class="card">
      <h2>Settings</h2>
      <dl class="facts">
        <dt>Devices</dt>
        <dd>
          <DeviceText text={targetText(target)} />
        </dd>
        <dt>Canary</dt>
        <dd class="num">
          {canary === 0 ? 'none' : plural(canary, 'device')}
          {canary > 0 && (pauseAfterCanary ? ', then a pause' : ', without a pause')}
        </dd>
        <dt>Soak</dt>
        <dd class="num">{soak === 0 ? 'none' : span(soak)}</dd>
        <dt>Waves</dt>
        <dd class="num">{waves.map((share) => `${share} %`).join(', ')}</dd>
        <dt>At once</dt>
        <dd class="num">{plural(maxParallel, 'transfer')}</dd>
        <dt>Hours</dt>
        <dd class="num">{window ? `${timeText(window.from)} to ${timeText(window.to)}` : 'always'}</dd>
      </dl>
    </section>
  )
}
