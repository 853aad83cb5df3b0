import { defaultMaxListeners, getMaxListeners, setMaxListeners } from 'node:events'

/**
 * Lets any number of sessions wait for one signal of the application. Node 20 warns of a leak at the eleventh listener, and a
 * program that has a hundred sessions has no leak. A limit that the application has set itself stays.
 */
export function allowManyListeners(signal: AbortSignal | undefined): void {
  if (signal instanceof EventTarget && !hasOwnLimit(signal)) setMaxListeners(0, signal)
}

function hasOwnLimit(signal: AbortSignal): boolean {
  try {
    return getMaxListeners(signal) !== defaultMaxListeners
  } catch {
    // Node says that a signal is no event target as long as nobody has set its limit.
    return false
  }
}
