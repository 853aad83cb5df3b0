/**
 * Waits until something is so, looking once every turn of the event loop.
 * @param what names the condition in the error
 * @param timeout ms of real time
 * @throws Error when the condition does not hold in time
 */
export async function until(condition: () => boolean, what = condition.toString(), timeout = 5_000): Promise<void> {
  const deadline = Date.now() + timeout
  while (!condition()) {
    if (Date.now() > deadline) throw new Error(`timed out waiting for: ${what}`)
    await turn()
  }
}

/** One turn of the event loop: everything that can happen at once has happened. */
export const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

/** Some turns, for saying that something does not happen. */
export async function turns(count = 20): Promise<void> {
  for (let i = 0; i < count; i++) await turn()
}

/** Whether a promise settles in what can happen at once. */
export async function isSettled(promise: Promise<unknown>): Promise<boolean> {
  let settled = false
  const note = () => {
    settled = true
  }
  promise.then(note, note)
  await turns()
  return settled
}

/** Every message until the end. */
export async function collect<T>(source: AsyncIterable<T>): Promise<T[]> {
  const items: T[] = []
  for await (const item of source) items.push(item)
  return items
}
