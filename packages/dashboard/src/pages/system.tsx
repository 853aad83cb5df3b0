import type { SystemInfo } from '@usmp/gateway/contract'
import type { ComponentChildren } from 'preact'
import { useState } from 'preact/hooks'
import { api } from '../api.js'
import { CopyButton } from '../parts/copy-button.js'
import { Show, useLoaded } from '../parts/load.js'
import { Page } from '../parts/page.js'
import { now } from '../state/clock.js'
import { broker, doubtful, knocksWhileClosed, store } from '../state/link.js'
import { forbidden } from '../state/session.js'
import { bytes, dateTime, nextTry, plural, shown, span, whole } from '../text.js'

/** How often the figures are asked for, ms. */
const EVERY = 3_000

/** The gateway itself: its connections, its limits, and what it has dropped. */
export function SystemPage() {
  const system = useLoaded(api.system, [], EVERY)
  return (
    <Page title="System">
      <Show of={system} what="the state of the gateway">
        {(info) => (
          <>
            <div class={doubtful.value ? 'columns doubtful' : 'columns'}>
              <Gateway info={info} />
              <Broker link={broker.value ?? info.broker} />
              <Store link={store.value ?? info.store} />
              <Listeners info={info} />
              <Counts
                title="Limits reached"
                none="No limit was reached since the start."
                counts={{
                  ...info.limits,
                  ...(knocksWhileClosed.value > 0 ? { 'knocks while closed': knocksWhileClosed.value } : {}),
                }}
              />
              <Counts title="Dropped, by cause" none="Nothing was dropped since the start." counts={info.dropped} />
              <Jumps info={info} />
            </div>
            {(broker.value ?? info.broker).state !== 'none' && <AccessList />}
          </>
        )}
      </Show>
    </Page>
  )
}

function Card({ title, children }: { title: string; children: ComponentChildren }) {
  return (
    <section class="card stack">
      <h2>{title}</h2>
      {children}
    </section>
  )
}

function Gateway({ info }: { info: SystemInfo }) {
  const online = info.devices.online ?? 0
  return (
    <Card title="Gateway">
      <p class="figure num">
        {whole(online)} <span class="unit">online</span>
      </p>
      <dl class="facts">
        <dt>Site</dt>
        <dd>
          <bdi>{shown(info.site)}</bdi>
        </dd>
        <dt>Version</dt>
        <dd class="num">{shown(info.version)}</dd>
        <dt>Running for</dt>
        <dd class="num">{span(now.value - info.startedAt)}</dd>
        <dt>Clock</dt>
        <dd class="num">{dateTime(now.value)}</dd>
        <dt>Sessions</dt>
        <dd class="num">{whole(info.sessions)}</dd>
        <dt>Messages</dt>
        <dd class="num">
          {whole(info.messages.in)} in, {whole(info.messages.out)} out
        </dd>
        <dt>Memory</dt>
        <dd class="num">{bytes(info.memory)}</dd>
        {Object.entries(info.devices).map(([state, count]) => (
          <Pair key={state} word={state} count={count} />
        ))}
      </dl>
    </Card>
  )
}

function Pair({ word, count }: { word: string; count: number }) {
  return (
    <>
      <dt>{shown(word)}</dt>
      <dd class="num">{whole(count)}</dd>
    </>
  )
}

function Broker({ link }: { link: SystemInfo['broker'] }) {
  if (link.state === 'none')
    return (
      <Card title="Broker">
        <p class="dim">None: this gateway takes no devices over MQTT.</p>
      </Card>
    )
  return (
    <Card title="Broker">
      <p>
        <span class={`badge ${link.state === 'connected' ? 'online' : link.state === 'failed' ? 'failed' : 'waiting'}`}>
          {link.state === 'connected' ? '● Connected' : link.state === 'failed' ? '✕ Failed' : '◔ Connecting'}
        </span>{' '}
        <span class="dim num">for {span(now.value - link.since)}</span>
      </p>
      {link.url && <p class="mono wrap">{shown(link.url, 200)}</p>}
      {link.reason && <p class="fault">{shown(link.reason, 300)}</p>}
      {link.nextTryAt !== null && link.state !== 'connected' && (
        <p class="dim num">{nextTry(link.nextTryAt, now.value)}</p>
      )}
    </Card>
  )
}

const BROKERS = ['mosquitto', 'emqx'] as const
const BROKER_WORDS = { mosquitto: 'mosquitto', emqx: 'EMQX' } as const

/** For who runs the broker: it keeps each device to its own topics. */
function AccessList() {
  const [kind, setKind] = useState<(typeof BROKERS)[number]>('mosquitto')
  const mayNot = forbidden('admin')
  if (mayNot !== null) return null
  return (
    <Card title="Access list of the broker">
      <p class="dim">
        A broker that you run yourself needs this list: each device is a user named by its id, 12 hex digits, and
        reaches its own topics only. The broker that is built into the gateway keeps to it already.
      </p>
      <fieldset class="segments">
        <legend class="sr">Broker</legend>
        {BROKERS.map((name) => (
          <label key={name}>
            <input type="radio" name="broker" checked={kind === name} onChange={() => setKind(name)} />
            <span>{BROKER_WORDS[name]}</span>
          </label>
        ))}
      </fieldset>
      <AccessListText key={kind} kind={kind} />
    </Card>
  )
}

function AccessListText({ kind }: { kind: (typeof BROKERS)[number] }) {
  const acl = useLoaded(() => api.brokerAcl(kind), [kind])
  return (
    <Show of={acl} what="the access list">
      {({ text }) => (
        <div class="file-text">
          <CopyButton text={text} what="the access list" />
          <pre class="well">{text}</pre>
        </div>
      )}
    </Show>
  )
}

function Store({ link }: { link: SystemInfo['store'] }) {
  return (
    <Card title="Store">
      <p>
        <span class={`badge ${link.state === 'ok' ? 'online' : 'failed'}`}>
          {link.state === 'ok' ? '● Writing' : '✕ Read only'}
        </span>{' '}
        <span class="dim num">for {span(now.value - link.since)}</span>
      </p>
      {link.reason && <p class="fault">{shown(link.reason, 300)}</p>}
    </Card>
  )
}

function Listeners({ info: { listeners, announced } }: { info: SystemInfo }) {
  return (
    <Card title="Ways in">
      {listeners.length === 0 ? (
        <p class="dim">Only the broker.</p>
      ) : (
        <dl class="facts">
          {listeners.map(({ carrier, address }) => (
            <>
              <dt key={`${carrier} word`}>{shown(carrier)}</dt>
              <dd key={`${carrier} ${address}`} class="mono wrap">
                {shown(address, 100)}
              </dd>
            </>
          ))}
        </dl>
      )}
      <p class="dim">
        {announced
          ? `Can be found in the local network as usmp-${announced.instance}, on ${announced.interfaces.join(', ') || 'no interface'}.`
          : 'Not announced in the local network.'}
      </p>
    </Card>
  )
}

function Counts({ title, none, counts }: { title: string; none: string; counts: Readonly<Record<string, number>> }) {
  const some = Object.entries(counts).filter(([, count]) => count > 0)
  return (
    <Card title={title}>
      {some.length === 0 ? (
        <p class="dim">{none}</p>
      ) : (
        <dl class="facts">
          {some.map(([word, count]) => (
            <Pair key={word} word={word} count={count} />
          ))}
        </dl>
      )}
    </Card>
  )
}

function Jumps({ info: { clockJumps } }: { info: SystemInfo }) {
  if (clockJumps.length === 0) return null
  return (
    <Card title="Clock was set">
      <p class="dim">
        {plural(clockJumps.length, 'time')} by more than 5 s while the gateway ran. Spans were not affected.
      </p>
      <ul class="lines">
        {clockJumps.map(({ at, by }) => (
          <li key={at} class="num">
            {dateTime(at)}, by {by > 0 ? '+' : '−'}
            {span(Math.abs(by))}
          </li>
        ))}
      </ul>
    </Card>
  )
}
