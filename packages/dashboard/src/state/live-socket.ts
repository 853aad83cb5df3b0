import { CLOSE_LOGIN, type LiveMessage, STALE_AFTER } from '@usmp/gateway/contract'
import { api } from '../api.js'
import { isCode } from '../failure.js'
import { receive } from './inbox.js'
import { link } from './link.js'
import { me } from './session.js'

/** Pauses between attempts, ms: doubled from the first to the last, each with some chance in it. */
const FIRST_PAUSE = 1_000
const LAST_PAUSE = 30_000
/** A connection that says nothing for so long is given up, ms. Sockets of a machine that slept, say, never close by themselves. */
const SILENT_TOO_LONG = 10_000
/** How often the page looks how old the last message is, ms. */
const LOOK = 500

let socket: WebSocket | null = null
let attempts = 0
let lastMessageAt = 0
let lostAt: number | null = null
let retryTimer: ReturnType<typeof setTimeout> | undefined
let watch: ReturnType<typeof setInterval> | undefined

/** Connects, and connects again for as long as somebody is logged in. */
export function startLive(): void {
  stopLive()
  link.value = { state: 'connecting' }
  watch = setInterval(lookAtAge, LOOK)
  connect()
}

export function stopLive(): void {
  clearTimeout(retryTimer)
  clearInterval(watch)
  drop()
  attempts = 0
  lostAt = null
}

/** Does not wait for the next attempt. */
export function retryNow(): void {
  clearTimeout(retryTimer)
  connect()
}

function connect(): void {
  drop()
  if (lostAt !== null) link.value = { state: 'lost', since: lostAt, retryAt: null }
  const { protocol, host } = window.location
  const mine = new WebSocket(`${protocol === 'https:' ? 'wss' : 'ws'}://${host}/api/live`)
  socket = mine
  // The whole attempt has as much time as a silent connection has.
  lastMessageAt = performance.now()
  mine.onmessage = ({ data }) => {
    lastMessageAt = performance.now()
    lostAt = null
    attempts = 0
    if (link.peek().state !== 'live') link.value = { state: 'live' }
    receive(JSON.parse(data as string) as LiveMessage)
  }
  mine.onclose = ({ code }) => {
    if (mine === socket) lost(code)
  }
}

/** Forgets the socket without hearing of its end. */
function drop(): void {
  const old = socket
  socket = null
  if (!old) return
  old.onmessage = null
  old.onclose = null
  old.close()
}

function lost(code: number): void {
  drop()
  lostAt ??= performance.now()
  const pause = Math.min(LAST_PAUSE, FIRST_PAUSE * 2 ** attempts++) * (0.75 + Math.random() / 2)
  link.value = { state: 'lost', since: lostAt, retryAt: performance.now() + pause }
  clearTimeout(retryTimer)
  retryTimer = setTimeout(connect, pause)
  void askWhoIsLoggedIn(code === CLOSE_LOGIN)
}

/**
 * A socket that was refused does not say why; the login may have ended meanwhile. And one whose login has ended (`replaced`) is of no
 * matter where the page has a newer one: it changed the own password.
 */
async function askWhoIsLoggedIn(replaced: boolean): Promise<void> {
  try {
    const before = me.peek()
    const known = await api.me()
    // Who has logged in meanwhile knows better.
    if (me.peek() === before) me.value = known
    if (replaced && me.peek()?.user) retryNow()
  } catch (error) {
    if (!isCode(error, 'UNREACHABLE')) throw error
  }
}

function lookAtAge(): void {
  const age = performance.now() - lastMessageAt
  if (socket && age > SILENT_TOO_LONG) lost(0)
  else if (link.peek().state === 'live' && age > STALE_AFTER) link.value = { state: 'stale' }
}
