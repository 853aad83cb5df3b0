import { signal } from '@preact/signals'

// The clock of the gateway is the only one that counts: the page keeps its distance to a clock that nobody can set.
let serverTime = Date.now()
let heardAt = performance.now()

/** Takes over the time that the gateway has told just now. */
export function setServerTime(now: number): void {
  serverTime = now
  heardAt = performance.now()
}

/** ms since 1970, by the clock of the gateway. It goes on while the gateway is away. */
export function serverNow(): number {
  return serverTime + performance.now() - heardAt
}

/** The time of the gateway, renewed each second: whoever shows an age reads it. */
export const now = signal(serverNow())

export function startClock(): void {
  setInterval(() => {
    now.value = serverNow()
  }, 1_000)
}
