import { useEffect, useState } from 'preact/hooks'
import { now } from '../state/clock.js'
import { broker, link, store } from '../state/link.js'
import { retryNow } from '../state/live-socket.js'
import { nextTry, sentence, span } from '../text.js'

/** What everybody must know before they believe what the page shows. */
export function Banners() {
  const { state } = link.value
  return (
    <div class="banners" role="status">
      {state === 'lost' && <Lost />}
      {state === 'stale' && (
        <p class="banner warn">Nothing has come from the gateway for more than 3 seconds. What you see may be old.</p>
      )}
      {state !== 'lost' && broker.value?.state === 'failed' && <BrokerLost />}
      {state !== 'lost' && store.value?.state === 'read-only' && (
        <p class="banner bad">
          <span>
            <b>The gateway cannot write to its store</b>
            {store.value.reason ? `: ${sentence(store.value.reason)} ` : '. '}
            Devices keep their sessions. Nothing can be changed until there is room again.
          </span>
        </p>
      )}
    </div>
  )
}

function Lost() {
  const lost = link.value
  const [, redraw] = useState(0)
  useEffect(() => {
    const timer = setInterval(() => redraw((count) => count + 1), 500)
    return () => clearInterval(timer)
  }, [])
  if (lost.state !== 'lost') return null
  const left = lost.retryAt === null ? null : Math.max(0, Math.ceil((lost.retryAt - performance.now()) / 1_000))
  return (
    <p class="banner bad">
      <b>Connection to the gateway lost</b> {span(performance.now() - lost.since)} ago.{' '}
      <span aria-hidden="true">{left === null || left === 0 ? 'Trying now.' : `Trying again in ${left} s.`}</span>
      <button type="button" class="button small" onClick={retryNow}>
        Try now
      </button>
    </p>
  )
}

function BrokerLost() {
  const lost = broker.value!
  return (
    <p class="banner warn">
      <span>
        <b>The gateway has lost its broker</b>
        {lost.reason ? `: ${sentence(lost.reason)} ` : '. '}
        Nobody can say whether devices on MQTT are online.
        {lost.nextTryAt !== null && ` ${nextTry(lost.nextTryAt, now.value)}`}
      </span>
    </p>
  )
}
