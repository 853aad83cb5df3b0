import { UsmpError } from './errors.js'

/** Callbacks for each signal that has not aborted. */
const waiting = new WeakMap<AbortSignal, Set<() => void>>()

/**
 * Calls back when a signal aborts. The signal has one listener, however many callers wait: Node warns of a leak at the
 * eleventh, and a fleet may well wait for one signal.
 * @param signal left out, or aborted already, it never calls back
 * @returns takes the wait back; does nothing once it is over
 */
export function onAbort(signal: AbortSignal | undefined, callback: () => void): () => void {
  if (!signal || signal.aborted) return () => {}
  const callbacks = waiting.get(signal) ?? listen(signal)
  // A new function for each call: the same one may wait twice.
  const entry = () => callback()
  callbacks.add(entry)
  return () => {
    if (!callbacks.delete(entry) || callbacks.size > 0) return
    waiting.delete(signal)
    signal.removeEventListener('abort', tellAll)
  }
}

/** The error of an operation that a signal called off: ABORTED, with the reason of the signal as its cause. */
export function abortError(signal: AbortSignal | undefined): UsmpError {
  return new UsmpError('ABORTED', undefined, { cause: signal?.reason })
}

/** @throws UsmpError ABORTED if the signal has aborted */
export function throwIfAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted) throw abortError(signal)
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
