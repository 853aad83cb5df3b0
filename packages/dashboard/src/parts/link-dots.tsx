import { now } from '../state/clock.js'
import { broker, link } from '../state/link.js'
import { ago } from '../text.js'

type Health = 'good' | 'doubtful' | 'bad'

/** The way of the figures in three dots: this page, the gateway, the broker. Each line between two is a connection. */
export function LinkDots() {
  const page = pageLink()
  const behind = brokerLink(page.health)
  return (
    <button type="button" class="links">
      <span class="links-dots" aria-hidden="true">
        <i class="good" />
        <u class={page.health} />
        <i class={page.health} />
        {behind && <u class={behind.health} />}
        {behind && <i class={behind.health} />}
      </span>
      <span class="links-words">
        <span>
          <b>Page to gateway</b> {page.says}
        </span>
        {behind && (
          <span>
            <b>Gateway to broker</b> {behind.says}
          </span>
        )}
      </span>
    </button>
  )
}

function pageLink(): { health: Health; says: string } {
  switch (link.value.state) {
    case 'live':
      return { health: 'good', says: 'connected' }
    case 'lost':
      return { health: 'bad', says: 'lost' }
    case 'stale':
      return { health: 'doubtful', says: 'connected, but silent' }
    case 'connecting':
      return { health: 'doubtful', says: 'connecting' }
  }
}

/** What is behind a lost connection nobody knows. */
function brokerLink(page: Health): { health: Health; says: string } | null {
  const known = broker.value
  if (!known || known.state === 'none') return null
  if (page === 'bad') return { health: 'doubtful', says: 'not known while the gateway is lost' }
  if (known.state === 'connected') return { health: 'good', says: `connected` }
  if (known.state === 'connecting') return { health: 'doubtful', says: 'connecting' }
  return { health: 'bad', says: `failed ${ago(known.since, now.value)}${known.reason ? `: ${known.reason}` : ''}` }
}
