import { UsmpError } from '@usmp/core'
import { RpcError } from '@usmp/rpc'
import { plainText } from '../../shared/plain-text.js'
import type { Output } from '../command.js'
import { DRIVE_TTL, RoboLinkError, type RobotInfo, type Watched } from '../contract.js'
import type { HubPeer } from '../operator/hub-link.js'
import type { Pursuit } from './pursuit.js'

/** Nobody steers by telemetry that is older, ms. */
const TOO_OLD = 300
/** How long an answer may take, ms. */
const PATIENCE = 1_000

/** One robot, one path, one driver. */
export class Autopilot {
  readonly #robot: string
  readonly #pursuit: Pursuit
  readonly #output: Output
  /** Somebody else drives. */
  #aside = false
  /** Commands carry it; what was sent before a stop is told by it. */
  #fence = 0

  constructor(robot: string, pursuit: Pursuit, output: Output) {
    this.#robot = robot
    this.#pursuit = pursuit
    this.#output = output
  }

  /** How the robots are, as the hub tells when something changed. */
  see(robots: readonly Pick<RobotInfo, 'id' | 'driver' | 'fence'>[]): void {
    const robot = robots.find(({ id }) => id === this.#robot)
    this.#fence = robot?.fence ?? 0
    if (!this.#aside || robot?.driver !== null) return
    this.#aside = false
    this.#pursuit.restart()
    this.#output.status('autopilot: the wheel is free, going on', { event: 'going-on' })
  }

  /**
   * Drives for as long as the session lives.
   * @returns whether all waypoints were reached
   * @throws RpcError if the hub does not know the robot
   */
  async drive(peer: HubPeer, most: number): Promise<boolean> {
    try {
      this.see((await peer.request('robots', {}, { timeout: PATIENCE })).robots)
      for await (const telemetry of peer.stream('watch', { robot: this.#robot })) {
        if (this.#aside || telemetry.age > TOO_OLD) continue
        await this.#step(peer, telemetry)
        if (this.#pursuit.reached < most) continue
        await peer.request('stop', { robot: this.#robot }, { timeout: PATIENCE })
        await peer.request('release', { robot: this.#robot }, { timeout: PATIENCE })
        return true
      }
    } catch (error) {
      // The session has ended, and its end is told with the next attempt.
      if (!(error instanceof UsmpError)) throw error
    }
    return false
  }

  async #step(peer: HubPeer, pose: Watched): Promise<void> {
    const { reached } = this.#pursuit
    const velocity = this.#pursuit.steer(pose)
    if (this.#pursuit.reached > reached) this.#report()
    try {
      await peer.request(
        'drive',
        { robot: this.#robot, fence: this.#fence, ...velocity },
        { timeout: PATIENCE, ttl: DRIVE_TTL },
      )
    } catch (error) {
      // A command that was lost is of no use any more: the next telemetry brings the next one.
      if (!(error instanceof RpcError) || error.code !== RoboLinkError.NOT_THE_DRIVER) return
      this.#aside = true
      this.#output.status(plainText(`autopilot: ${error.message}, standing back`), {
        event: 'standing-back',
        message: error.message,
      })
    }
  }

  #report(): void {
    const { reached, target, error } = this.#pursuit
    const [rms, worst] = [Math.round(error.rms * 1000), Math.round(error.worst * 1000)]
    const line = `waypoint ${reached} reached, on to (${target.x}, ${target.y}); beside the path ${rms} mm rms, ${worst} mm at worst`
    void this.#output.result(line, { event: 'waypoint', reached, target, rms, worst })
  }
}
