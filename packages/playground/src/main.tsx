import { fromHex, toHex } from '@usmp/core'
import { render } from 'preact'
import { useEffect, useLayoutEffect, useReducer, useRef, useState } from 'preact/hooks'
import { Conversation, type End, type Flight, type Party } from './conversation.ts'
import { explain } from './explain.ts'

const ENDS: readonly End[] = ['device', 'gateway']

function App() {
  const [sameKey, setSameKey] = useState(true)
  const [conversation, setConversation] = useState(() => new Conversation(true))
  const [chosen, choose] = useState<number | undefined>(undefined)
  const [pasted, setPasted] = useState<string | undefined>(undefined)
  // The conversation is a machine with a life of its own; after each move the page looks at it again.
  const [, refresh] = useReducer((count: number) => count + 1, 0)

  const act = (action: () => void) => () => {
    action()
    choose(undefined)
    setPasted(undefined)
    refresh(undefined)
  }
  const restart = (same: boolean) => {
    setSameKey(same)
    setConversation(new Conversation(same))
    choose(undefined)
  }
  const flight =
    conversation.flights.find(({ id }) => id === chosen) ?? conversation.next ?? conversation.flights.at(-1)!

  return (
    <>
      <header>
        <div>
          <h1>
            USMP <span>playground</span>
          </h1>
          <p>
            Both ends of a session run in this page. You are the wire between them: nothing arrives before you let it.
          </p>
        </div>
        <Theme />
      </header>
      <main>
        <section class="stage" aria-label="The two ends">
          <PartyCard party={conversation.party('device')} id={conversation.deviceName} />
          <Outcome conversation={conversation} />
          <PartyCard party={conversation.party('gateway')} id="knows the key of the device" knows={sameKey} />
        </section>
        <section class="sequence" aria-label="What went over the wire">
          <Controls conversation={conversation} act={act} restart={restart} sameKey={sameKey} />
          <Sequence flights={conversation.flights} shown={flight} next={conversation.next} choose={choose} />
        </section>
        <section class="inspector" aria-label="A frame, explained">
          <div class="tabs" role="tablist">
            <button type="button" role="tab" aria-selected={pasted === undefined} onClick={() => setPasted(undefined)}>
              Frame on the wire
            </button>
            <button
              type="button"
              role="tab"
              aria-selected={pasted !== undefined}
              onClick={() => setPasted(toHex(flight.bytes, ' '))}
            >
              Paste hex
            </button>
          </div>
          {pasted === undefined ? (
            <FlightView
              flight={flight}
              changeable={flight === conversation.next}
              flip={(index, bit, repair) => {
                conversation.flip(index, bit, repair)
                refresh(undefined)
              }}
              restore={() => {
                conversation.restore()
                refresh(undefined)
              }}
            />
          ) : (
            <Pasted text={pasted} change={setPasted} />
          )}
        </section>
      </main>
    </>
  )
}

function Theme() {
  const [dark, setDark] = useState(() => matchMedia('(prefers-color-scheme: dark)').matches)
  useLayoutEffect(() => {
    document.documentElement.dataset.theme = dark ? 'dark' : 'light'
  }, [dark])
  return (
    <button type="button" class="quiet" onClick={() => setDark(!dark)}>
      {dark ? '☀ Light' : '☾ Dark'}
    </button>
  )
}

function PartyCard({ party, id, knows = true }: { party: Party; id: string; knows?: boolean }) {
  const { end, connection, received, sessionId } = party
  const state = end ? 'ended' : connection.established ? 'open' : 'handshake'
  return (
    <article class={`party ${state}`} data-party={party.name}>
      <h2>{party.name === 'device' ? 'Device' : 'Gateway'}</h2>
      <p class="state">
        <i aria-hidden="true" />
        {end
          ? end.code === 'CLOSED'
            ? 'closed, all well'
            : end.code
          : state === 'open'
            ? 'session open'
            : 'not proven yet'}
      </p>
      <p class="mono dim">{knows ? id : 'has another key for it'}</p>
      {sessionId && <p class="mono dim">session {sessionId.slice(0, 8)}…</p>}
      {received.length > 0 && <p class="heard">“{received.at(-1)}”</p>}
    </article>
  )
}

function Outcome({ conversation }: { conversation: Conversation }) {
  const { refusal, next, established, over } = conversation
  const changed = conversation.flights.some(({ state, bytes, original }) => state === 'refused' && bytes !== original)
  let kind = 'plain'
  let title = 'Handshake'
  let text = 'Four frames until both ends have proven that they hold the same key.'
  if (refusal) {
    kind = 'bad'
    title = `${refusal.by === 'device' ? 'Device' : 'Gateway'} refuses: ${refusal.error.code}`
    text = changed
      ? 'You changed a frame on its way, and it was noticed.'
      : `${sentence(refusal.error.message)} ${refusal.error.hint}`
  } else if (over) {
    kind = 'good'
    title = 'Closed with a BYE'
    text = 'Both ends know that nothing is missing.'
  } else if (established) {
    kind = 'good'
    title = next ? 'Session open, a frame is on its way' : 'Session open'
    text = next
      ? 'Let it arrive. Or turn one of its bits first, and see who notices.'
      : 'Say something, ask for a PING, change the keys.'
  }
  return (
    <div class={`outcome ${kind}`} role="status">
      <strong>{title}</strong>
      <p>{text}</p>
    </div>
  )
}

function sentence(text: string): string {
  return `${text.charAt(0).toUpperCase()}${text.slice(1)}.`
}

function Controls({
  conversation,
  act,
  restart,
  sameKey,
}: {
  conversation: Conversation
  act: (action: () => void) => () => void
  restart: (sameKey: boolean) => void
  sameKey: boolean
}) {
  const [text, setText] = useState('21.5 °C')
  const [from, setFrom] = useState<End>('device')
  const idle = conversation.established && !conversation.next && !conversation.over
  const next = conversation.next
  return (
    <div class="controls">
      <div class="row">
        <button type="button" class="primary" disabled={!next} onClick={act(() => conversation.deliver())}>
          {next ? `Let ${next.name} arrive` : 'Nothing on the wire'}
        </button>
        <button type="button" onClick={() => restart(sameKey)}>
          Start again
        </button>
        <label class="check">
          <input type="checkbox" checked={!sameKey} onChange={() => restart(!sameKey)} />
          gateway has another key
        </label>
      </div>
      <form
        class="row"
        onSubmit={(event) => {
          event.preventDefault()
          act(() => conversation.send(from, text))()
        }}
      >
        <select
          aria-label="Who acts"
          value={from}
          disabled={!idle}
          onChange={({ currentTarget }) => setFrom(currentTarget.value as End)}
        >
          {ENDS.map((end) => (
            <option value={end}>{end}</option>
          ))}
        </select>
        <input
          aria-label="Message"
          value={text}
          maxLength={200}
          disabled={!idle}
          onInput={({ currentTarget }) => setText(currentTarget.value)}
        />
        <button type="submit" disabled={!idle}>
          Send
        </button>
      </form>
      <div class="row">
        <button type="button" disabled={!idle} onClick={act(() => conversation.ping(from))}>
          Ping
        </button>
        <button type="button" disabled={!idle} onClick={act(() => conversation.rekey(from))}>
          New keys
        </button>
        <button type="button" disabled={!idle} onClick={act(() => conversation.goodbye(from))}>
          Goodbye
        </button>
      </div>
    </div>
  )
}

function Sequence({
  flights,
  shown,
  next,
  choose,
}: {
  flights: readonly Flight[]
  shown: Flight
  next: Flight | undefined
  choose: (id: number) => void
}) {
  const list = useRef<HTMLOListElement>(null)
  useEffect(() => {
    if (list.current) list.current.scrollTop = list.current.scrollHeight
  }, [flights.length])
  return (
    <ol ref={list} class="lifelines">
      {flights.map((flight) => (
        <li key={flight.id} class={`${flight.from} ${flight.state}${flight === next ? ' next' : ''}`}>
          <button type="button" aria-pressed={flight === shown} onClick={() => choose(flight.id)}>
            <span class="arrow" aria-hidden="true" />
            <b>{flight.name}</b>
            <small>
              {flight.bytes.length} bytes
              {flight.bytes !== flight.original && ' · changed'}
              {flight.state === 'refused' && ' · refused'}
              <span class="sr"> from the {flight.from}</span>
            </small>
          </button>
        </li>
      ))}
    </ol>
  )
}

function FlightView({
  flight,
  changeable,
  flip,
  restore,
}: {
  flight: Flight
  changeable: boolean
  flip: (index: number, bit: number, repair: boolean) => void
  restore: () => void
}) {
  const [repair, setRepair] = useState(false)
  const [index, setIndex] = useState(0)
  const at = Math.min(index, flight.bytes.length - 1)
  return (
    <>
      <p class="story">
        <b>{flight.name}</b> from the {flight.from}. {flight.story}
      </p>
      <Bytes bytes={flight.bytes} original={flight.original} at={at} select={setIndex} />
      {changeable ? (
        <fieldset class="bits">
          <legend>
            Turn a bit of byte {at} <span class="mono">{hexByte(flight.bytes[at]!)}</span>
          </legend>
          <div class="bitrow">
            {[7, 6, 5, 4, 3, 2, 1, 0].map((bit) => (
              <button
                type="button"
                class={bitOf(flight.bytes, at, bit) === bitOf(flight.original, at, bit) ? '' : 'turned'}
                aria-label={`bit ${bit}, now ${bitOf(flight.bytes, at, bit)}`}
                onClick={() => flip(at, bit, repair)}
              >
                {bitOf(flight.bytes, at, bit)}
              </button>
            ))}
          </div>
          <label class="check">
            <input type="checkbox" checked={repair} onChange={() => setRepair(!repair)} />
            repair the checksum, as an attacker would
          </label>
          {flight.bytes !== flight.original && (
            <button type="button" onClick={restore}>
              Put it back
            </button>
          )}
        </fieldset>
      ) : (
        <p class="dim">It has arrived. What is on its way can be changed.</p>
      )}
      <Fields bytes={flight.bytes} at={at} select={setIndex} />
    </>
  )
}

/** The bytes of a frame; arrow keys move, one stop for the tab key. */
function Bytes({
  bytes,
  original,
  at,
  select,
}: {
  bytes: Uint8Array
  original: Uint8Array
  at: number
  select: (index: number) => void
}) {
  const grid = useRef<HTMLDivElement>(null)
  const { fields } = explain(bytes)
  const chosen = fields.find(({ offset, length }) => at >= offset && at < offset + length)
  const move = (event: KeyboardEvent) => {
    const step = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -16, ArrowDown: 16 }[event.key]
    if (step === undefined) return
    event.preventDefault()
    const to = Math.max(0, Math.min(bytes.length - 1, at + step))
    select(to)
    grid.current?.querySelectorAll('button')[to]?.focus()
  }
  return (
    // biome-ignore lint/a11y/useSemanticElements: a group of bytes is no form
    <div ref={grid} class="bytes mono" role="group" aria-label="Bytes of the frame" onKeyDown={move}>
      {fields.flatMap((field) =>
        Array.from(bytes.subarray(field.offset, field.offset + field.length), (byte, i) => {
          const index = field.offset + i
          const changed = byte !== original[index]
          return (
            <button
              type="button"
              key={index}
              tabIndex={index === at ? 0 : -1}
              class={`tint${field.tint}${field === chosen ? ' field' : ''}${index === at ? ' at' : ''}${changed ? ' turned' : ''}`}
              aria-label={`byte ${index}, ${hexByte(byte)}, ${field.name}${changed ? ', changed' : ''}`}
              onClick={() => select(index)}
            >
              {hexByte(byte)}
            </button>
          )
        }),
      )}
    </div>
  )
}

function Fields({ bytes, at, select }: { bytes: Uint8Array; at: number; select: (index: number) => void }) {
  const { fields, fault } = explain(bytes)
  return (
    <>
      {fault && (
        <p class="fault">
          <b>{fault.code}</b> {sentence(fault.message)} {fault.hint}
        </p>
      )}
      <table>
        <thead>
          <tr>
            <th scope="col">at</th>
            <th scope="col">field</th>
            <th scope="col">bytes</th>
            <th scope="col">what it means</th>
          </tr>
        </thead>
        <tbody>
          {fields.map((field) => {
            const part = bytes.subarray(field.offset, field.offset + field.length)
            const chosen = at >= field.offset && at < field.offset + field.length
            return (
              <tr key={field.offset} class={chosen ? 'chosen' : ''} onClick={() => select(field.offset)}>
                <td class="mono dim">{field.offset}</td>
                <th scope="row">
                  <i class={`swatch tint${field.tint}`} aria-hidden="true" />
                  {field.name}
                </th>
                <td class="mono">{toHex(part.subarray(0, 6), ' ') + (part.length > 6 ? ' …' : '')}</td>
                <td>{field.meaning}</td>
              </tr>
            )
          })}
        </tbody>
      </table>
    </>
  )
}

function Pasted({ text, change }: { text: string; change: (text: string) => void }) {
  const [index, setIndex] = useState(0)
  const digits = text.replace(/0x|[\s,:-]/gi, '')
  const readable = /^([0-9a-f]{2})+$/i.test(digits)
  const bytes = readable ? fromHex(digits) : new Uint8Array()
  const at = Math.min(index, Math.max(0, bytes.length - 1))
  return (
    <>
      <label class="paste">
        A frame in hex digits
        <textarea
          class="mono"
          rows={4}
          spellcheck={false}
          value={text}
          onInput={(event) => change(event.currentTarget.value)}
        />
      </label>
      {readable ? (
        <>
          <Bytes bytes={bytes} original={bytes} at={at} select={setIndex} />
          <Fields bytes={bytes} at={at} select={setIndex} />
        </>
      ) : (
        <p class="fault">
          {digits === '' ? 'Paste the bytes of a frame.' : 'These are not whole bytes in hex digits.'}
        </p>
      )}
    </>
  )
}

function hexByte(byte: number): string {
  return byte.toString(16).padStart(2, '0')
}

function bitOf(bytes: Uint8Array, index: number, bit: number): number {
  return (bytes[index]! >> bit) & 1
}

render(<App />, document.querySelector('#app')!)
