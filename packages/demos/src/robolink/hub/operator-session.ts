import type { Session, UsmpError } from '@usmp/core'
import { type Peer, RpcCode, RpcError, rpc } from '@usmp/rpc'
import { operatorApi, operatorHubApi, RoboLinkError, type RobotInfo, type Said } from '../contract.js'
import { chatBudget, paced } from './budget.js'
import type { Known } from './keys.js'
import type { RobotSession } from './robot-session.js'
import { RoundTrip } from './round-trip.js'

/** What one operator may have under way: enough for a joystick on a slow line, too little to keep others waiting. */
const LIMITS = { incomingRequests: 32, streams: 16, outgoingRequests: 1, message: 16 * 1024 }

/** The robots as an operator reaches them. */
export interface Fleet {
  readonly robots: readonly RobotInfo[]
  /** @throws RpcError NO_SUCH_ROBOT */
  robot(id: string): RobotSession
  /** Says a line to a robot, and lets all operators hear it. @throws RpcError */
  chat(robot: RobotSession, from: string, text: string): Promise<void>
  fault(operator: OperatorSession, fault: Error): void
}

/**
 * One operator for one session. The hub makes it when the operator has connected, tells it what all operators see, and drops it when
 * `closed` resolves. It owns the peer of the session; control leases belong to it, and the hub frees them when it has ended.
 */
export class OperatorSession {
  readonly id: string
  readonly name: string
  readonly #chat = chatBudget()
  readonly #peer: Peer<typeof operatorApi>

  constructor({ id, name }: Known, session: Session, fleet: Fleet) {
    this.id = id
    this.name = name
    const roundTrip = new RoundTrip(session, () => {})
    this.#peer = rpc(paced(session), {
      serves: operatorHubApi,
      calls: operatorApi,
      limits: LIMITS,
      requests: {
        robots: () => ({ robots: [...fleet.robots] }),
        take: ({ robot, force = false }) => ({ driver: id, fence: fleet.robot(robot).take(this, force) }),
        release: ({ robot }) => {
          fleet.robot(robot).release(this)
          return {}
        },
        drive: ({ robot, fence, v, w }, { signal }) => fleet.robot(robot).drive(this, { v, w }, fence, signal),
        stop: async ({ robot }) => ({ fence: await fleet.robot(robot).stop(this) }),
        chat: async ({ robot, text }) => {
          if (this.#chat.take(performance.now()) > 0) throw new RpcError(RpcCode.BUSY, 'too many lines at once')
          await fleet.chat(fleet.robot(robot), name, text)
          return {}
        },
        rtt: async ({ robot }) => ({ hub: roundTrip.latest ?? null, robot: await fleet.robot(robot).measure() }),
      },
      streams: {
        watch: { overflow: 'keepLatest', items: ({ robot }, { signal }) => fleet.robot(robot).watch(signal) },
      },
      onFault: (fault) => fleet.fault(this, fault),
    })
  }

  /** Resolves with the reason of the end. */
  get closed(): Promise<UsmpError> {
    return this.#peer.closed
  }

  /** Tells how the robots are. What the operator does not take now is dropped: the next one says it all again. */
  showRobots(robots: readonly RobotInfo[]): void {
    this.#tell(() => this.#peer.tryNotify('robots', { robots: [...robots] }))
  }

  showChat(said: Said): void {
    this.#tell(() => this.#peer.tryNotify('chat', said))
  }

  /** Between its end and our notice of it a session can be gone. */
  #tell(notify: () => boolean): void {
    try {
      notify()
    } catch {
      // A caller that waits for `closed` is told why.
    }
  }
}

/** @throws RpcError NO_SUCH_ROBOT always */
export function noSuchRobot(id: string): never {
  throw new RpcError(RoboLinkError.NO_SUCH_ROBOT, `this hub knows no robot ${id}`, { robot: id })
}
