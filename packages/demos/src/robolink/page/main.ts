import { asUsmpError, type UsmpError } from '@usmp/core'
import { byId } from '../../shared/dom.ts'
import type { Credentials } from './address.ts'
import { Console } from './console.ts'
import { findCredentials, forgetCredentials, keepCredentials } from './credentials.ts'
import { Link, type LinkState } from './link.ts'
import { LinkView } from './link-view.ts'
import { SignIn } from './sign-in.ts'

/** Where the hub takes operators, on the origin that served this page. */
const HUB = `${location.protocol === 'https:' ? 'wss' : 'ws'}://${location.host}/usmp`

let link: Link | undefined
let state: LinkState = { kind: 'connecting' }
let console_: Console | undefined
const linkView = new LinkView(() => link?.connect())
const signIn = new SignIn(begin)

function begin(credentials: Credentials): void {
  keepCredentials(credentials)
  showConsole(true)
  byId('me-id').textContent = credentials.operator
  const page = (console_ ??= new Console((code, message) => link?.dismiss(code, message)))
  link = new Link(HUB, credentials, (next) => {
    state = next
    if (next.kind === 'open') void page.open(next.session)
    if (next.kind === 'refused') ask(next.reason, credentials.operator)
  })
  link.connect()
}

/** Asks for credentials; those there were are of no use. */
function ask(reason?: UsmpError, operator?: string): void {
  forgetCredentials()
  showConsole(false)
  signIn.show(reason, operator)
}

function showConsole(shown: boolean): void {
  byId('sign-in').hidden = shown
  for (const id of ['console', 'stop-block', 'me', 'forget', 'link']) byId(id).hidden = !shown
}

function start(): void {
  try {
    const credentials = findCredentials()
    if (credentials) begin(credentials)
    else ask()
  } catch (error) {
    ask(asUsmpError(error, 'INVALID_ARGUMENT'))
  }
}

function draw(now: number): void {
  requestAnimationFrame(draw)
  if (!console_ || byId('console').hidden) return
  linkView.show(state, now, console_.roundTrips.ping)
  console_.draw(now)
}

byId('forget').addEventListener('click', () => {
  forgetCredentials()
  location.reload()
})
// Another address of the hub, with other credentials, in the same tab.
addEventListener('hashchange', () => location.reload())
addEventListener('online', () => state.kind === 'waiting' && link?.connect())
start()
requestAnimationFrame(draw)
