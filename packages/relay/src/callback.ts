/**
 * Tells an application something. What its function throws, now or as a promise, changes nothing here, and nobody waits for it.
 */
export function tell<T>(callback: ((value: T) => unknown) | undefined, value: T): void {
  void (async () => callback?.(value))().catch(() => {})
}
