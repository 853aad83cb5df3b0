import { type AlarmRule, type Device, MAX_ALARM_RULES, MAX_IDLE_LIMIT, MIN_IDLE_LIMIT } from '@usmp/gateway/contract'
import { useState } from 'preact/hooks'
import { api } from '../api.js'
import { isCode } from '../failure.js'
import { Field } from '../parts/field.js'
import { Form } from '../parts/form.js'
import { Icon } from '../parts/icon.js'
import { rowOf } from '../state/devices.js'
import { tellDone } from '../state/notices.js'
import { figure, shown } from '../text.js'

const SECOND = 1_000

/** Name, group, limits and alarms of a device. */
export function DeviceSettings({ device }: { device: Device }) {
  if (device.rev === 0) return <p class="nothing">Nothing is stored of a device that waits. Approve it first.</p>
  return (
    <div class="cards">
      <General device={device} />
      <Alarms device={device} />
    </div>
  )
}

/** Changes what the user saw. If somebody else was faster, the form keeps what was typed, and says so. */
async function change(device: Device, body: Omit<Parameters<typeof api.change>[1], 'rev'>): Promise<void> {
  try {
    await api.change(device.id, { rev: device.rev, ...body })
    tellDone('Saved.')
  } catch (error) {
    if (isCode(error, 'CONFLICT') && rowOf(device.id)?.device.peek().rev !== device.rev)
      throw new Error('Somebody else has changed this device meanwhile. Look at it, then save again.')
    throw error
  }
}

function General({ device }: { device: Device }) {
  const [name, setName] = useState(device.name)
  const [group, setGroup] = useState(device.group ?? '')
  const [idle, setIdle] = useState(String(device.idleLimit / SECOND))
  const limit = Number(idle) * SECOND
  const idleFault =
    Number.isInteger(limit) && limit >= MIN_IDLE_LIMIT && limit <= MAX_IDLE_LIMIT
      ? null
      : `From ${MIN_IDLE_LIMIT / SECOND} to ${MAX_IDLE_LIMIT / SECOND} s.`
  const same = name === device.name && group === (device.group ?? '') && limit === device.idleLimit
  const save = () =>
    change(device, {
      ...(name.trim() === '' ? {} : { name: name.trim() }),
      group: group.trim() === '' ? null : group.trim(),
      idleLimit: limit,
    })
  return (
    <section class="card">
      <h2>General</h2>
      <Form
        needs="operator"
        verb="Save"
        unless={idleFault ?? (same ? 'Nothing is changed yet.' : null)}
        onSubmit={save}
      >
        <Field label="Name">
          {(ids) => (
            <input {...ids} maxLength={64} value={name} onInput={(event) => setName(event.currentTarget.value)} />
          )}
        </Field>
        <Field label="Group">
          {(ids) => (
            <input
              {...ids}
              maxLength={64}
              placeholder="none"
              value={group}
              onInput={(event) => setGroup(event.currentTarget.value)}
            />
          )}
        </Field>
        <Field
          label="Offline after silence of so many seconds"
          fault={idleFault}
          hint="Longer for devices that sleep, shorter for those that must not be silent."
        >
          {(ids) => (
            <input
              {...ids}
              inputMode="numeric"
              maxLength={6}
              value={idle}
              onInput={(event) => setIdle(event.currentTarget.value)}
            />
          )}
        </Field>
      </Form>
    </section>
  )
}

type Draft = { readonly kind: AlarmRule['kind']; readonly reading: string; readonly number: string }

function Alarms({ device }: { device: Device }) {
  const [rules, setRules] = useState<readonly Draft[]>(device.alarmRules.map(draftOf))
  const read = rules.map(ruleOf)
  const good = read.filter((rule) => rule !== null)
  const unless =
    good.length < rules.length
      ? 'Each rule needs a number such as 20.5, and the name of a reading if it is about one.'
      : JSON.stringify(good) === JSON.stringify(device.alarmRules)
        ? 'Nothing is changed yet.'
        : null
  const put = (index: number, draft: Draft) => setRules(rules.map((rule, other) => (other === index ? draft : rule)))
  const readings = Object.keys(device.readings)
  return (
    <section class="card">
      <h2>Alarms</h2>
      {device.alarms.map(({ rule, value }) => (
        <p key={JSON.stringify(rule)} class="fault">
          <b>Now:</b> {inWords(rule)}
          {value !== null && `, it is ${figure(value)}`}
        </p>
      ))}
      <Form needs="operator" verb="Save" unless={unless} onSubmit={() => change(device, { alarmRules: good })}>
        {rules.length === 0 && (
          <p class="dim">
            None yet. An alarm shows here, and is told to the webhook if the gateway has one (<code>--webhook</code>).
          </p>
        )}
        <datalist id="readings">
          {readings.map((name) => (
            <option key={name} value={name} />
          ))}
        </datalist>
        {rules.map((rule, index) => (
          <fieldset key={index} class="rule">
            <legend class="sr">Rule {index + 1}</legend>
            <select
              aria-label="When"
              value={rule.kind}
              onChange={(event) => put(index, { ...rule, kind: event.currentTarget.value as Draft['kind'] })}
            >
              <option value="offline">offline for</option>
              <option value="above">above</option>
              <option value="below">below</option>
            </select>
            {rule.kind !== 'offline' && (
              <input
                aria-label="Reading"
                placeholder="reading"
                list="readings"
                maxLength={64}
                value={rule.reading}
                onInput={(event) => put(index, { ...rule, reading: event.currentTarget.value })}
              />
            )}
            <input
              aria-label={rule.kind === 'offline' ? 'Seconds' : 'Limit'}
              placeholder={rule.kind === 'offline' ? 'seconds' : 'limit'}
              inputMode="decimal"
              maxLength={16}
              value={rule.number}
              onInput={(event) => put(index, { ...rule, number: event.currentTarget.value })}
            />
            <button
              type="button"
              class="button icon-only quiet"
              aria-label={`Remove rule ${index + 1}`}
              onClick={() => setRules(rules.filter((_, other) => other !== index))}
            >
              <Icon name="close" />
            </button>
          </fieldset>
        ))}
        {good.length < rules.length && <p class="note">{unless}</p>}
        {rules.length < MAX_ALARM_RULES && (
          <button
            type="button"
            class="button small"
            onClick={() => setRules([...rules, { kind: 'offline', reading: readings[0] ?? '', number: '' }])}
          >
            <Icon name="plus" /> Add a rule
          </button>
        )}
      </Form>
    </section>
  )
}

function draftOf(rule: AlarmRule): Draft {
  if (rule.kind === 'offline') return { kind: 'offline', reading: '', number: String(rule.after / SECOND) }
  return { kind: rule.kind, reading: rule.reading, number: String(rule.limit) }
}

/** The rule that a draft says; null: it is not complete. */
function ruleOf({ kind, reading, number }: Draft): AlarmRule | null {
  const value = Number(number.replace(',', '.'))
  if (number.trim() === '' || !Number.isFinite(value)) return null
  if (kind === 'offline') return value >= 0 ? { kind, after: Math.round(value * SECOND) } : null
  return reading.trim() === '' ? null : { kind, reading: reading.trim(), limit: value }
}

function inWords(rule: AlarmRule): string {
  if (rule.kind === 'offline') return `offline for ${rule.after / SECOND} s`
  return `${shown(rule.reading)} ${rule.kind} ${figure(rule.limit)}`
}
