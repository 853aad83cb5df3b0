import type { RequestOutcome } from '@usmp/gateway/contract'
import { useEffect, useId, useState } from 'preact/hooks'
import { api } from '../api.js'
import { CopyButton } from '../parts/copy-button.js'
import { Field } from '../parts/field.js'
import { Form } from '../parts/form.js'
import { Show, useLoaded } from '../parts/load.js'
import type { Row } from '../state/devices.js'
import { outcomes, showOutcomes, takeOutcome } from '../state/requests.js'
import { clockTime, dateTime, milliseconds, shown, span } from '../text.js'

const SECOND = 1_000
const TIMEOUTS = [2, 10, 30, 60] as const
/** Longest result that is shown at once, characters. */
const LONGEST = 4_000

/** Asks the device for something, and shows what it has answered, and to whom. */
export function DeviceRequests({ row }: { row: Row }) {
  const history = useLoaded(async () => {
    const { requests } = await api.requests(row.id)
    showOutcomes(row.id, requests)
    return true
  }, [row.id])
  useEffect(() => () => void (outcomes.value = null), [row.id])
  const list = outcomes.value?.id === row.id ? outcomes.value.list : []
  return (
    <div class="console">
      <section class="card">
        <Ask row={row} />
      </section>
      <section aria-labelledby="history">
        <h2 id="history">History</h2>
        <Show of={history} what="the requests" lines={3}>
          {() =>
            list.length === 0 ? (
              <p class="nothing">Nobody has asked this device for anything since the gateway started.</p>
            ) : (
              <ol class="outcomes" aria-live="polite">
                {list.map((outcome) => (
                  <Outcome key={outcome.id} outcome={outcome} />
                ))}
              </ol>
            )
          }
        </Show>
      </section>
    </div>
  )
}

function Ask({ row }: { row: Row }) {
  const device = row.device.value
  const [method, setMethod] = useState(device.methods[0] ?? '')
  const [params, setParams] = useState('')
  const [seconds, setSeconds] = useState<number>(10)
  const methods = useId()
  const read = readParams(params)
  const unless = !device.session
    ? 'The device has no session.'
    : method.trim() === ''
      ? 'Give a method first.'
      : read.fault

  const send = async () => {
    const given = read.params ? { params: read.params } : {}
    const outcome = await api.request(device.id, { method: method.trim(), ...given, timeout: seconds * SECOND })
    takeOutcome(device.id, outcome)
  }

  return (
    <Form needs="operator" verb="Send" unless={unless} onSubmit={send}>
      <Field
        label="Method"
        hint={
          device.methods.length > 0
            ? `The device says that it answers ${device.methods.map((name) => shown(name, 24)).join(', ')}.`
            : 'The device did not say which methods it answers.'
        }
      >
        {(ids) => (
          <>
            <input
              {...ids}
              class="mono"
              list={methods}
              maxLength={64}
              spellcheck={false}
              value={method}
              onInput={(event) => setMethod(event.currentTarget.value)}
            />
            <datalist id={methods}>
              {device.methods.map((name) => (
                <option key={name} value={name} />
              ))}
            </datalist>
          </>
        )}
      </Field>
      <Field label="Parameters, a JSON object" fault={read.fault}>
        {(ids) => (
          <textarea
            {...ids}
            class="mono"
            rows={4}
            spellcheck={false}
            maxLength={8_192}
            placeholder="{}"
            value={params}
            onInput={(event) => setParams(event.currentTarget.value)}
          />
        )}
      </Field>
      <Field label="Wait for an answer">
        {(ids) => (
          <select {...ids} value={seconds} onChange={(event) => setSeconds(Number(event.currentTarget.value))}>
            {TIMEOUTS.map((value) => (
              <option key={value} value={value}>
                {value} s
              </option>
            ))}
          </select>
        )}
      </Field>
    </Form>
  )
}

function Outcome({ outcome }: { outcome: RequestOutcome }) {
  const { method, params, at, by, duration, result, error } = outcome
  // Viewers are not told what was said.
  const isHidden = params === undefined
  const asked = isHidden ? '…' : Object.keys(params).length > 0 ? JSON.stringify(params) : ''
  const good = isHidden ? 'Done. Operators see what the device has answered.' : JSON.stringify(result, null, 2)
  const answer = error ? `${error.code}: ${error.message}` : good
  return (
    <li class={error ? 'card outcome failed' : 'card outcome'}>
      <header>
        <b class="mono">
          {shown(method)}
          <span class="dim">({shown(asked, 120)})</span>
        </b>
        <span class="dim num" title={dateTime(at)}>
          {clockTime(at)} · {shown(by, 32)} · {duration < 10 * SECOND ? milliseconds(duration) : span(duration)}
        </span>
      </header>
      <div class="answer">
        <pre>
          {error && <span aria-hidden="true">✕ </span>}
          {shownLines(answer ?? 'null')}
        </pre>
        <CopyButton text={answer ?? 'null'} what="the answer" />
      </div>
      {error?.data !== undefined && <pre>{shownLines(JSON.stringify(error.data, null, 2))}</pre>}
    </li>
  )
}

/** Text of several lines, each made harmless. */
function shownLines(text: string): string {
  const cut = text.length > LONGEST ? `${text.slice(0, LONGEST)}\n… and ${text.length - LONGEST} more characters` : text
  return cut
    .split('\n')
    .map((line) => shown(line, LONGEST))
    .join('\n')
}

function readParams(text: string): { params: Record<string, unknown> | null; fault: string | null } {
  if (text.trim() === '') return { params: null, fault: null }
  try {
    const value: unknown = JSON.parse(text)
    if (typeof value === 'object' && value !== null && !Array.isArray(value))
      return { params: value as Record<string, unknown>, fault: null }
    return { params: null, fault: 'This is JSON, but no object: write it as {"name": value}.' }
  } catch (error) {
    return { params: null, fault: `This is no JSON yet: ${(error as Error).message}` }
  }
}
