import type { Device, Image, RolloutSettings, RolloutTarget } from '@usmp/gateway/contract'
import { useState } from 'preact/hooks'
import { api } from '../api.js'
import { navigate, rolloutAddress } from '../router.js'
import { groupsOf } from '../state/device-list.js'
import { allRows } from '../state/devices.js'
import { closeDialog } from '../state/dialogs.js'
import { images } from '../state/images.js'
import { tellDone } from '../state/notices.js'
import {
  DEFAULT_SETTINGS,
  defaultCanary,
  devicesOf,
  type Match,
  match,
  readNumber,
  readTime,
  readWaves,
  stepsOf,
} from '../state/rollout-plan.js'
import { imageName } from '../state/rollout-progress.js'
import { takeRollout } from '../state/rollouts.js'
import { nameOf, plural, shown, span } from '../text.js'
import { DeviceId, DeviceText } from './device-text.js'
import { Dialog } from './dialog.js'
import { Field } from './field.js'
import { Form } from './form.js'
import { Signature } from './image-table.js'
import { StageStrip } from './stage-strip.js'

const MINUTE = 60_000
/** As much as the gateway takes. */
const MAX_SOAK = 7 * 24 * 60
const MAX_CHOSEN = 1000
/** So many devices need no search, and more than so many are not drawn at once. */
const FEW = 8
const MOST = 200

/** Starts a roll-out: of which image, for whom, and how carefully. */
export function StartDialog({ image }: { image: string | null }) {
  return (
    <Dialog title="Start a roll-out" wide onClose={closeDialog}>
      {images.value?.length ? (
        <Ask list={images.value} first={image} />
      ) : (
        <p>The gateway has no image yet. Add one first: a bundle that the publisher has signed.</p>
      )}
    </Dialog>
  )
}

/** What the fields hold, as typed. */
interface Fields {
  readonly name: string
  /** Empty: the default. */
  readonly canary: string
  readonly pause: boolean
  readonly soak: string
  readonly waves: string
  readonly parallel: string
  readonly windowed: boolean
  readonly from: string
  readonly to: string
}

const FIRST: Fields = {
  name: '',
  canary: '',
  pause: DEFAULT_SETTINGS.pauseAfterCanary,
  soak: String(DEFAULT_SETTINGS.soak / MINUTE),
  waves: DEFAULT_SETTINGS.waves.join(', '),
  parallel: String(DEFAULT_SETTINGS.maxParallel),
  windowed: false,
  from: '01:00',
  to: '05:00',
}

/** What is wrong with each field. */
type Faults = Partial<Record<keyof Fields, string>>

/** The settings that the fields say, or what is wrong with them. */
function read(fields: Fields, canary: number): { settings: RolloutSettings | null; faults: Faults } {
  const own = fields.canary.trim() === '' ? canary : readNumber(fields.canary, 0, 10)
  const soak = readNumber(fields.soak, 0, MAX_SOAK)
  const waves = readWaves(fields.waves)
  const maxParallel = readNumber(fields.parallel, 1, 64)
  const from = readTime(fields.from)
  const to = readTime(fields.to)
  const faults: Faults = {
    ...(own === null ? { canary: 'A number from 0 to 10.' } : {}),
    ...(soak === null ? { soak: `Minutes, from 0 to ${MAX_SOAK} (7 days).` } : {}),
    ...(waves === null ? { waves: 'Up to 8 growing shares, of which the last is 100.' } : {}),
    ...(maxParallel === null ? { parallel: 'A number from 1 to 64.' } : {}),
    ...(fields.windowed && (from === null || to === null) ? { from: 'Two times of the day, as 01:00.' } : {}),
    ...(fields.windowed && from !== null && from === to ? { from: 'The window has no length.' } : {}),
  }
  const isWhole = Object.keys(faults).length === 0
  if (!isWhole || own === null || soak === null || waves === null || maxParallel === null)
    return { settings: null, faults }
  const window = fields.windowed && from !== null && to !== null ? { from, to } : null
  return {
    settings: { canary: own, pauseAfterCanary: fields.pause, soak: soak * MINUTE, waves, maxParallel, window },
    faults,
  }
}

type TargetKind = RolloutTarget['kind']

function Ask({ list, first }: { list: readonly Image[]; first: string | null }) {
  const [imageId, setImage] = useState(list.find(({ id }) => id === first)?.id ?? list[0]!.id)
  const [kind, setKind] = useState<TargetKind>('all')
  const [group, setGroup] = useState('')
  const [ids, setIds] = useState<readonly string[]>([])
  const [fields, setFields] = useState(FIRST)

  const image = list.find(({ id }) => id === imageId) ?? list[0]!
  const target: RolloutTarget =
    kind === 'all' ? { kind } : kind === 'group' ? { kind, group } : { kind: 'devices', ids: [...ids] }
  const devices = allRows.value.map((row) => row.device.value)
  const found = match(devices, image, target)
  const count = found.fits.length + found.silent.length
  const { settings, faults } = read(fields, defaultCanary(count))
  const unless =
    kind === 'group' && group === ''
      ? 'Choose a group first.'
      : kind === 'devices' && ids.length === 0
        ? 'Choose devices first.'
        : (Object.values(faults)[0] ?? null)

  const start = async () => {
    if (!settings) return
    const { canary, ...others } = settings
    // A canary that nobody has asked for is left to the gateway, which knows more devices.
    const own = fields.canary.trim() === '' ? {} : { canary }
    const name = fields.name.trim() === '' ? {} : { name: fields.name.trim() }
    const rollout = await api.startRollout({ image: image.id, target, settings: { ...others, ...own }, ...name })
    takeRollout(rollout)
    tellDone(`${shown(rollout.name)} has begun.`)
    closeDialog()
    navigate(rolloutAddress(rollout.id))
  }

  return (
    <Form needs="admin" verb="Start" unless={unless} onCancel={closeDialog} onSubmit={start}>
      <ImageField list={list} image={image} onImage={setImage} />
      <fieldset class="segments">
        <legend>Devices</legend>
        {(['all', 'group', 'devices'] as const).map((value) => (
          <label key={value}>
            <input type="radio" name="target" checked={kind === value} onChange={() => setKind(value)} />
            <span>{{ all: 'All', group: 'A group', devices: 'Chosen ones' }[value]}</span>
          </label>
        ))}
      </fieldset>
      {kind === 'group' && <GroupField group={group} onGroup={setGroup} />}
      {kind === 'devices' && (
        <DeviceChoice found={match(devices, image, { kind: 'all' })} chosen={ids} onChosen={setIds} />
      )}
      <Matches found={found} isOpen={kind !== 'devices'} />
      <SettingFields fields={fields} faults={faults} canary={defaultCanary(count)} onFields={setFields} />
      {settings && <Plan settings={settings} targets={count} />}
    </Form>
  )
}

function ImageField({ list, image, onImage }: { list: readonly Image[]; image: Image; onImage: (id: string) => void }) {
  return (
    <Field
      label="Image"
      hint={
        <>
          {shown(image.product)} on {shown(image.chip)}, counter {image.counter}, <Signature image={image} />
        </>
      }
    >
      {(ids) => (
        <select {...ids} value={image.id} onChange={(event) => onImage(event.currentTarget.value)}>
          {list.map((one) => (
            <option key={one.id} value={one.id}>
              {imageName(one)}, {shown(one.version)} for {shown(one.product)} on {shown(one.chip)}
            </option>
          ))}
        </select>
      )}
    </Field>
  )
}

function GroupField({ group, onGroup }: { group: string; onGroup: (group: string) => void }) {
  const groups = groupsOf(allRows.value)
  if (groups.length === 0) return <p class="fault">No device is in a group. A device gets one in its settings.</p>
  return (
    <Field label="Group">
      {(ids) => (
        <select {...ids} value={group} onChange={(event) => onGroup(event.currentTarget.value)}>
          <option value="">Choose</option>
          {groups.map((name) => (
            <option key={name} value={name}>
              {shown(name, 32)}
            </option>
          ))}
        </select>
      )}
    </Field>
  )
}

/** Devices to choose from: those that the image may be for. */
function DeviceChoice({
  found: { fits, silent, current },
  chosen,
  onChosen,
}: {
  found: Match
  chosen: readonly string[]
  onChosen: (ids: readonly string[]) => void
}) {
  const [search, setSearch] = useState('')
  const devices = [...fits, ...silent, ...current]
  const words = search.toLowerCase().split(/\s+/).filter(Boolean)
  const listed = devices.filter((device) => words.every((word) => textOf(device).includes(word)))
  if (devices.length === 0) return <p class="fault">No device here is of this product and chip.</p>
  const set = (id: string, on: boolean) => onChosen(on ? [...chosen, id] : chosen.filter((other) => other !== id))
  return (
    <fieldset class="choices chosen-devices">
      <legend>
        {plural(chosen.length, 'device')} of {devices.length} chosen
      </legend>
      {devices.length > FEW && (
        <input
          type="search"
          aria-label="Search by name, id or group"
          placeholder="Search"
          value={search}
          onInput={(event) => setSearch(event.currentTarget.value)}
        />
      )}
      <div class="lines">
        {listed.length === 0 && <p class="dim">None of them fits.</p>}
        {listed.length > MOST && (
          <p class="dim">
            These are the first {MOST} of {listed.length}. Search for the others.
          </p>
        )}
        {listed.slice(0, MOST).map((device) => (
          <label key={device.id}>
            <input
              type="checkbox"
              checked={chosen.includes(device.id)}
              disabled={!chosen.includes(device.id) && chosen.length >= MAX_CHOSEN}
              onChange={(event) => set(device.id, event.currentTarget.checked)}
            />
            {device.name !== '' && <DeviceText text={nameOf(device)} />}
            <DeviceId id={device.id} />
            <span class="dim num">{device.updates ? shown(device.updates.version, 16) : 'version not known'}</span>
          </label>
        ))}
      </div>
    </fieldset>
  )
}

const textOf = ({ id, name, group }: Device): string =>
  [id, id.replaceAll(':', ''), name, group].join('\n').toLowerCase()

/** How many devices it is for, and why others are not among them. */
function Matches({ found: { fits, current, others, silent }, isOpen }: { found: Match; isOpen: boolean }) {
  const online = fits.filter(({ state }) => state === 'online').length
  const count = fits.length + silent.length
  return (
    <ul class="matches" aria-label="Devices that it is for">
      <li>
        <b class="num">{plural(count, 'device')}</b> {count === 1 ? 'fits' : 'fit'}
        {fits.length > 0 && (online < count ? `, ${online} online` : count > 1 ? ', all online' : ', online')}.{' '}
        {online < fits.length && 'The others are updated when they come back. '}
        {isOpen && 'Devices that join later are updated too.'}
      </li>
      {silent.length > 0 && (
        <li class="dim">
          {plural(silent.length, 'device')} of them had no session since the gateway was started. It asks them when they
          come.
        </li>
      )}
      {current.length > 0 && (
        <li class="dim">
          {plural(current.length, 'device')} {current.length === 1 ? 'runs' : 'run'} this image already.
        </li>
      )}
      {others.length > 0 && (
        <li class="dim">
          {plural(others.length, 'device')} {others.length === 1 ? 'is' : 'are'} skipped: another product or chip, or no
          updates.
        </li>
      )}
    </ul>
  )
}

function SettingFields({
  fields,
  faults,
  canary,
  onFields,
}: {
  fields: Fields
  faults: Faults
  canary: number
  onFields: (fields: Fields) => void
}) {
  const text = (name: 'name' | 'canary' | 'soak' | 'waves' | 'parallel', most: number, placeholder?: string) => ({
    maxLength: most,
    placeholder,
    value: fields[name],
    onInput: (event: { currentTarget: HTMLInputElement }) => onFields({ ...fields, [name]: event.currentTarget.value }),
  })
  return (
    <>
      <div class="two">
        <Field
          label="Canary, devices"
          hint="They are updated first, and show whether the image is good. 0: none."
          fault={faults.canary ?? null}
        >
          {(ids) => <input {...ids} {...text('canary', 2, String(canary))} inputMode="numeric" />}
        </Field>
        <Field
          label="Soak, minutes"
          hint="So long a stage must stay well before the next one begins."
          fault={faults.soak ?? null}
        >
          {(ids) => <input {...ids} {...text('soak', 5)} inputMode="numeric" />}
        </Field>
        <Field
          label="Waves, % of all devices"
          hint="The other devices follow in growing shares."
          fault={faults.waves ?? null}
        >
          {(ids) => <input {...ids} {...text('waves', 40)} />}
        </Field>
        <Field
          label="Transfers at once"
          hint="More is faster, and a heavier load for the network."
          fault={faults.parallel ?? null}
        >
          {(ids) => <input {...ids} {...text('parallel', 2)} inputMode="numeric" />}
        </Field>
      </div>
      <div class="choices">
        <label class="check">
          <input
            type="checkbox"
            checked={fields.pause}
            onChange={(event) => onFields({ ...fields, pause: event.currentTarget.checked })}
          />
          <span>
            Pause after the canary <span class="dim">until a person has looked and continues</span>
          </span>
        </label>
        <label class="check">
          <input
            type="checkbox"
            checked={fields.windowed}
            onChange={(event) => onFields({ ...fields, windowed: event.currentTarget.checked })}
          />
          <span>
            Only at certain hours <span class="dim">of the gateway's clock; nothing is offered at other times</span>
          </span>
        </label>
      </div>
      {fields.windowed && <WindowFields fields={fields} fault={faults.from ?? null} onFields={onFields} />}
      <Field label="Name of the roll-out" hint="Left empty, it is called as its image.">
        {(ids) => <input {...ids} {...text('name', 64)} />}
      </Field>
    </>
  )
}

function WindowFields({
  fields,
  fault,
  onFields,
}: {
  fields: Fields
  fault: string | null
  onFields: (fields: Fields) => void
}) {
  return (
    <div class="two">
      <Field label="From" fault={fault}>
        {(ids) => (
          <input
            {...ids}
            type="time"
            value={fields.from}
            onInput={(event) => onFields({ ...fields, from: event.currentTarget.value })}
          />
        )}
      </Field>
      <Field label="To" hint={fields.to < fields.from ? 'On the next day.' : undefined}>
        {(ids) => (
          <input
            {...ids}
            type="time"
            value={fields.to}
            onInput={(event) => onFields({ ...fields, to: event.currentTarget.value })}
          />
        )}
      </Field>
    </div>
  )
}

/** What the settings come to for the devices of today. */
function Plan({ settings, targets }: { settings: RolloutSettings; targets: number }) {
  const steps = stepsOf(settings).map((step) => ({
    step,
    state: 'to-come' as const,
    says:
      step.kind === 'pause'
        ? 'somebody continues'
        : `${plural(devicesOf(step, settings, targets), 'device')}${settings.soak === 0 ? '' : `, ${span(settings.soak)} soak`}`,
  }))
  return (
    <section class="plan" aria-label="Plan">
      <StageStrip steps={steps} label="Stages that will be" />
    </section>
  )
}
