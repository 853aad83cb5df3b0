import { useRef, useState } from 'preact/hooks'
import { api } from '../api.js'
import { now, serverNow } from '../state/clock.js'
import { connected, doubtful, join, knocksWhileClosed } from '../state/link.js'
import { tellDone } from '../state/notices.js'
import { forbidden } from '../state/session.js'
import { countdown, plural, shown } from '../text.js'
import { Action } from './action.js'
import { Field } from './field.js'
import { Form } from './form.js'
import { Icon } from './icon.js'

const MINUTES = [1, 5, 15, 60] as const

/** ms that the join window stays open, by the deadline of the gateway; null: closed. */
function remaining(): number | null {
  now.value
  const until = join.value?.open ? join.value.until : null
  return until === null ? null : Math.max(0, until - serverNow())
}

/** Opens the join window, and counts down what is left of it. A cut-off page does not know how much that is. */
export function JoinButton() {
  const left = remaining()
  const popover = useRef<HTMLDivElement>(null)
  const close = () => popover.current?.hidePopover()
  return (
    <>
      <button type="button" class={left === null ? 'button primary' : 'button join-open'} popovertarget="join">
        {left === null ? (
          <>
            <Icon name="plus" /> Join
          </>
        ) : (
          <>
            <span class="pulse-dot" aria-hidden="true" /> Join <span class="sr">window closes in</span>
            <span class="num">{doubtful.value ? '?' : countdown(left)}</span>
          </>
        )}
      </button>
      <div id="join" popover="auto" ref={popover} class="popover" role="dialog" aria-label="Join window">
        {join.value === null ? (
          <p class="dim">Not known yet.</p>
        ) : left === null ? (
          <OpenForm onDone={close} />
        ) : (
          <OpenNow left={left} onDone={close} />
        )}
      </div>
    </>
  )
}

function OpenNow({ left, onDone }: { left: number; onDone: () => void }) {
  const window = join.value!
  const close = async () => {
    await api.closeJoin()
    onDone()
  }
  return (
    <>
      <p class="figure num">{doubtful.value ? '?' : countdown(left)}</p>
      <p class="dim">
        until the window closes by itself{window.openedBy && `; opened by ${shown(window.openedBy)}`}.
        {window.left !== null && ` ${plural(window.left, 'more device')} may join.`}
        {window.suffix && ` Only ids that end in ${window.suffix}.`}
      </p>
      {window.overflow > 0 && (
        <p class="fault">
          {plural(window.overflow, 'more knock')} found the list full. Narrow the window to the end of an id, or
          register your devices before they knock.
        </p>
      )}
      <Action look="danger" onAct={close}>
        Close it now
      </Action>
    </>
  )
}

function OpenForm({ onDone }: { onDone: () => void }) {
  const [minutes, setMinutes] = useState<number>(5)
  const [count, setCount] = useState('')
  const [suffix, setSuffix] = useState('')
  const hex = suffix.replace(/[:\s-]/g, '').toLowerCase()
  const countFault = count !== '' && !/^([1-9]|[1-9]\d|1[01]\d|12[0-8])$/.test(count) ? 'A number from 1 to 128.' : null
  const suffixFault = hex !== '' && !/^[0-9a-f]{1,12}$/.test(hex) ? 'Up to 12 digits 0–9, a–f, as on the label.' : null

  const open = async () => {
    const limits = { ...(count ? { count: Number(count) } : {}), ...(hex ? { suffix: hex } : {}) }
    await api.openJoin({ minutes, ...limits })
    tellDone('New devices may knock now. Switch yours on.')
    onDone()
  }

  return (
    <Form needs="operator" verb="Open the join window" unless={countFault ?? suffixFault} onSubmit={open}>
      <p class="dim">
        New devices show up only while this window is open. Each still needs your approval.
        {knocksWhileClosed.value > 0 && ` ${plural(knocksWhileClosed.value, 'knock')} came while it was closed.`}
      </p>
      <fieldset class="segments">
        <legend>Open for</legend>
        {MINUTES.map((value) => (
          <label key={value}>
            <input type="radio" name="minutes" checked={minutes === value} onChange={() => setMinutes(value)} />
            <span>{value} min</span>
          </label>
        ))}
      </fieldset>
      <div class="two">
        <Field label="Or until so many joined" fault={countFault}>
          {(ids) => (
            <input
              {...ids}
              inputMode="numeric"
              placeholder="any number"
              value={count}
              onInput={(event) => setCount(event.currentTarget.value)}
            />
          )}
        </Field>
        <Field label="Only ids ending in" fault={suffixFault}>
          {(ids) => (
            <input
              {...ids}
              class="mono"
              placeholder="any id"
              maxLength={17}
              value={suffix}
              onInput={(event) => setSuffix(event.currentTarget.value)}
            />
          )}
        </Field>
      </div>
      {connected.value && forbidden('operator') && <p class="dim">You can see the window, and not open it.</p>}
    </Form>
  )
}
