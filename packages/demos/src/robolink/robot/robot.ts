import { RpcError, type RpcSession, rpc } from '@usmp/rpc'
import { type Description, RoboLinkError, robotApi, robotHubApi, TELEMETRY_INTERVAL } from '../contract.js'
import { DriveBase, MAX_V, MAX_W } from './drive-base.js'

/** A robot, which lives longer than its sessions with the hub. */
export class Robot {
  readonly #description: Description
  readonly #clock: () => number
  readonly #start: number
  readonly #base: DriveBase
  #reports = 0

  /** @param clock ms of a clock that never steps */
  constructor(name: string, clock: () => number) {
    this.#description = { name, kind: 'ts', maxV: MAX_V, maxW: MAX_W }
    this.#clock = clock
    this.#start = clock()
    this.#base = new DriveBase(this.#start)
  }

  /**
   * Serves the hub for one session; resolves when it has ended and the robot stands.
   * @returns why the hub does not want to see it again, if it said so
   */
  async serve(session: RpcSession): Promise<{ code: string; message: string } | undefined> {
    let goodbye: { code: string; message: string } | undefined
    // Of the commands of this session that were carried out.
    let highest = 0
    const peer = rpc(session, {
      serves: robotApi,
      calls: robotHubApi,
      requests: {
        describe: () => this.#description,
        drive: ({ seq, v, w }) => {
          if (seq <= highest) throw new RpcError(RoboLinkError.OVERTAKEN, 'a newer command was carried out before it')
          highest = seq
          return this.#base.drive({ v, w }, this.#clock())
        },
        stop: ({ seq }) => {
          this.#base.stop(this.#clock())
          highest = Math.max(highest, seq)
          return {}
        },
        chat: ({ from, text }) => {
          peer.tryNotify('chat', { text: `${this.#description.name} heard ${from}: ${text}`.slice(0, 300) })
          return {}
        },
      },
      notifications: { goodbye: (reason) => void (goodbye = reason) },
    })
    const telemetry = every(TELEMETRY_INTERVAL, this.#clock, () => {
      const now = this.#clock()
      this.#base.advance(now)
      // Telemetry is worth nothing when it is old: what the network does not take now is dropped.
      peer.tryNotify('telemetry', this.#base.report(this.#reports++, now - this.#start))
    })
    await peer.closed
    telemetry.stop()
    this.#base.abandon(this.#clock())
    return goodbye
  }
}

/** Calls `act` at multiples of `interval` ms from now on, without drift; beats that were missed are left out. */
function every(interval: number, clock: () => number, act: () => void): { stop(): void } {
  let next = clock() + interval
  let timer = setTimeout(beat, interval)
  function beat(): void {
    act()
    next += interval * Math.max(1, Math.ceil((clock() - next) / interval))
    timer = setTimeout(beat, next - clock())
  }
  return { stop: () => clearTimeout(timer) }
}
