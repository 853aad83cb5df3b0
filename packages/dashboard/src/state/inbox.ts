import { batch } from '@preact/signals'
import type { LiveMessage } from '@usmp/gateway/contract'
import { setServerTime } from './clock.js'
import { removeDevice, takeDevice, takeReading, takeSnapshot } from './devices.js'
import { images } from './images.js'
import { broker, join, knocksWhileClosed, store } from './link.js'
import { takeOutcome } from './requests.js'
import { takeRollout, takeRolloutDevices, takeRollouts } from './rollouts.js'

/** A page that nobody sees gets no frames; its messages are taken in by a timer, ms. */
const HIDDEN_PAUSE = 500

let waiting: LiveMessage[] = []
let scheduled = false

/** Takes a message in with the next frame: however many come meanwhile, the page is drawn once. */
export function receive(message: LiveMessage): void {
  if ('now' in message) setServerTime(message.now)
  waiting.push(message)
  if (scheduled) return
  scheduled = true
  if (document.hidden) setTimeout(commit, HIDDEN_PAUSE)
  else requestAnimationFrame(commit)
}

// A frame that was asked for before the page was hidden may never come.
document.addEventListener('visibilitychange', () => {
  if (document.hidden && scheduled) commit()
})

function commit(): void {
  const messages = waiting
  waiting = []
  scheduled = false
  batch(() => {
    for (const message of messages) take(message)
  })
}

function take(message: LiveMessage): void {
  switch (message.type) {
    case 'snapshot':
      takeSnapshot(message.devices)
      join.value = message.join
      broker.value = message.broker
      store.value = message.store
      knocksWhileClosed.value = message.knocksWhileClosed
      return
    case 'device':
      return takeDevice(message.device)
    case 'removed':
      return removeDevice(message.id)
    case 'readings':
      for (const { id, name, ...reading } of message.changed) takeReading(id, name, reading)
      return
    case 'join':
      join.value = message.join
      return
    case 'broker':
      broker.value = message.broker
      return
    case 'store':
      store.value = message.store
      return
    case 'request':
      return takeOutcome(message.id, message.outcome)
    case 'knocks':
      knocksWhileClosed.value = message.whileClosed
      return
    case 'rollouts':
      return takeRollouts(message.rollouts)
    case 'rollout':
      return takeRollout(message.rollout)
    case 'rolloutDevices':
      return takeRolloutDevices(message.id, message.devices)
    case 'images':
      images.value = message.images
      return
    case 'heartbeat':
      return
  }
}
