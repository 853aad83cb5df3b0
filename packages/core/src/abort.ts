/** Who waits for a signal to fire. */
const waiting = new WeakMap<AbortSignal, Set<() => void>>()

/**
 * Calls back when a signal fires. However many wait, the signal has one listener: Node warns of a leak at the eleventh, and a
 * fleet may well wait for one signal.
 * @param signal one that has not fired
 * @returns takes the wait back; does nothing once it is over
 */
export function onAbort(signal: AbortSignal, callback: () => void): () => void {
  const callbacks = waiting.get(signal) ?? listen(signal)
  // Of its own for each call: the same function may wait twice.
  const entry = () => callback()
  callbacks.add(entry)
  return () => {
    if (!callbacks.delete(entry) || callbacks.size > 0) return
    waiting.delete(signal)
    signal.removeEventListener('abort', tellAll)
  }
}

function listen(signal: AbortSignal): Set<() => void> {
  const callbacks = new Set<() => void>()
  waiting.set(signal, callbacks)
  signal.addEventListener('abort', tellAll, { once: true })
  return callbacks
}

function tellAll(this: AbortSignal): void {
  const callbacks = waiting.get(this) ?? []
  waiting.delete(this)
  for (const callback of callbacks) callback()
}
