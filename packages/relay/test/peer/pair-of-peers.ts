import { type Session, UsmpError } from '@usmp/core'
import { nodeProvider, nodeRandom } from '@usmp/node'
import { onTestFinished } from 'vitest'
import { type PairKeys, pairKeysFrom } from '../../src/pair-keys.ts'
import { type RelaySessionsOptions, relaySessions } from '../../src/relay-sessions.ts'
import type { RelayStatus } from '../../src/relay-status.ts'
import type { Side } from '../../src/wire.ts'

export const RELAY = new URL('wss://relay.example')
/** Noon of a day. */
export const NOON = Date.parse('2026-11-30T12:00:00Z')
const PAIR_KEY = Uint8Array.from({ length: 32 }, (_, index) => index * 29 + 3)

export const keysOf = (side: Side): PairKeys => pairKeysFrom(PAIR_KEY, side, nodeProvider)

/** One who is on the route, and does not hold the key of the pair. */
export function strangerKeys(side: Side): PairKeys {
  const keys = keysOf(side)
  return {
    side,
    psk: nodeRandom(32),
    route: (day) => keys.route(day),
    deviceId: (day) => keys.deviceId(day),
    wipe() {},
  }
}

/** A peer that sends back what it gets, and notes what becomes of it. */
export class EchoPeer {
  readonly told: RelayStatus[] = []
  readonly sessions: Session[] = []
  /** What the other one has sent back. */
  readonly echoes: string[] = []
  /** Why it ended. */
  fault: UsmpError | undefined
  readonly #stop = new AbortController()
  readonly done: Promise<void>

  constructor(options: Pick<RelaySessionsOptions, 'dial' | 'keys'> & Partial<RelaySessionsOptions>) {
    this.done = this.#run({
      relay: RELAY,
      provider: nodeProvider,
      now: () => NOON,
      signal: this.#stop.signal,
      onState: (status) => void this.told.push(status),
      ...options,
    })
    onTestFinished(() => this.stop())
  }

  async #run(options: RelaySessionsOptions): Promise<void> {
    try {
      for await (const session of relaySessions(options)) {
        this.sessions.push(session)
        await this.#echo(session)
      }
    } catch (error) {
      this.fault = error as UsmpError
    }
  }

  get states(): string[] {
    return this.told.map(({ state }) => state)
  }

  get errors(): string[] {
    return this.told.flatMap(({ error }) => error?.code ?? [])
  }

  async stop(): Promise<void> {
    this.#stop.abort()
    await this.done
  }

  async #echo(session: Session): Promise<void> {
    try {
      for await (const message of session) {
        if (message[0] === 0) this.echoes.push(Buffer.from(message.subarray(1)).toString())
        else await session.send(Uint8Array.of(0, ...message))
      }
    } catch (error) {
      if (!(error instanceof UsmpError)) throw error
    }
  }
}
