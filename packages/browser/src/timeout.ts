/** Waits until a promise has settled, but no longer than `timeout` ms. Never rejects. */
export async function settledWithin(timeout: number, promise: Promise<unknown>): Promise<void> {
  let timer: ReturnType<typeof setTimeout> | undefined
  const late = new Promise((resolve) => (timer = setTimeout(resolve, timeout)))
  await Promise.race([promise.catch(() => {}), late])
  clearTimeout(timer)
}
