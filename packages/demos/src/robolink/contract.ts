// What hub, robot, operator and page say to each other: JSON-RPC 2.0 over sessions of USMP. No Node parts in here, the page
// uses it too.
import { contract } from '@usmp/rpc'
import * as v from 'valibot'

/** What the hub answers besides the codes of JSON-RPC itself. */
export const RoboLinkError = {
  /** The command was older than its time to live, and was not carried out. */
  TOO_OLD: -32001,
  /** The robot has carried out a newer command already: this one came late, and was not carried out. */
  OVERTAKEN: -32002,
  /** Somebody else drives the robot. `data.driver` says who. */
  NOT_THE_DRIVER: -32003,
  /** The hub knows no robot with this id. */
  NO_SUCH_ROBOT: -32004,
  /** The robot has no session, or lost it before it answered. */
  ROBOT_IS_GONE: -32005,
  /** The robot was stopped, or has a new session, since the sender of this command knew of it. Not carried out. */
  FENCED: -32006,
} as const

/** A moving robot that got no `drive` for so long stops by itself, ms. */
export const DEAD_MAN = 500
/** Commands to drive that are older are not carried out, ms. */
export const DRIVE_TTL = 300
/** Somebody who drives and sends no `drive` for so long may be replaced without force, ms. */
export const LEASE_TIMEOUT = 5_000
/** Between two telemetry messages, ms. */
export const TELEMETRY_INTERVAL = 100
/** Most characters of a chat line. */
export const MAX_CHAT = 300

const number = v.pipe(v.number('must be a number'), v.finite('must be finite'))
const count = v.pipe(number, v.integer(), v.minValue(0))
const text = (max: number) => v.pipe(v.string(), v.minLength(1), v.maxLength(max))
const nothing = v.object({})

/** Six bytes as `aa:bb:cc:dd:ee:ff`: the device id of a session. */
export const deviceId = v.pipe(
  v.string(),
  v.regex(/^([0-9a-f]{2}:){5}[0-9a-f]{2}$/, 'must look like aa:bb:cc:dd:ee:ff'),
)
const chatText = text(MAX_CHAT)
const robot = v.object({ robot: deviceId })

/** Speed over ground in m/s, forwards positive, and turning in rad/s, to the left positive. */
export const velocity = v.object({ v: number, w: number })
export type Velocity = v.InferOutput<typeof velocity>

/** What a robot reports ten times a second. */
export const telemetry = v.object({
  /** Counts from 0 since the robot started. */
  n: count,
  /** ms since the robot started, by its own steady clock. */
  t: number,
  /** Metres. */
  x: number,
  y: number,
  /** Radians, 0 along x, to the left positive, in -π to π. */
  theta: number,
  /** As it moves now: m/s, rad/s, and the two wheels in m/s. */
  ...velocity.entries,
  left: number,
  right: number,
  /** 0 to 1. */
  battery: v.pipe(number, v.minValue(0), v.maxValue(1)),
  /** °C. */
  temperature: number,
  /** `deadman`: stopped by itself, because no command came while it moved. */
  state: v.picklist(['idle', 'driving', 'deadman']),
})
export type Telemetry = v.InferOutput<typeof telemetry>

/** What a robot is. `maxV` in m/s, `maxW` in rad/s: it limits commands to these. */
export const description = v.object({
  name: text(64),
  kind: v.picklist(['c', 'ts', 'rv32']),
  maxV: number,
  maxW: number,
})
export type Description = v.InferOutput<typeof description>

/** What the hub knows of a robot. */
export const robotInfo = v.object({
  id: deviceId,
  /** What it says it is called, unless somebody else is called so already; then, and before, as the hub's key file calls it. */
  name: v.string(),
  kind: v.nullable(description.entries.kind),
  maxV: v.nullable(number),
  maxW: v.nullable(number),
  online: v.boolean(),
  /** Device id of the operator who drives. */
  driver: v.nullable(deviceId),
  /** The name that this operator has in the hub's key file. */
  driverName: v.nullable(v.string()),
  /** Round trip between hub and robot by the last PING, ms. */
  rtt: v.nullable(number),
  transport: v.nullable(v.picklist(['tcp', 'udp', 'websocket', 'serial'])),
  /**
   * The fencing token of commands: it grows with every stop, and when the robot opens a session. A `drive` carries the one
   * that its sender knows, and is not carried out with an older one.
   */
  fence: count,
})
export type RobotInfo = v.InferOutput<typeof robotInfo>
const robots = v.object({ robots: v.array(robotInfo) })

/** Telemetry as an operator sees it; `age`: ms since the hub received it. */
export const watched = v.object({ ...telemetry.entries, age: number })
export type Watched = v.InferOutput<typeof watched>

/** The session ends, and coming back would not help: e.g. `REPLACED`. A peer that is told so does not connect again. */
const goodbye = v.object({ code: v.string(), message: v.string() })

/**
 * The number of a command: the hub counts them up in every session, in the order in which it gives them. Transports may lose
 * a message and deliver it later, behind newer ones.
 */
const seq = v.pipe(count, v.minValue(1))

/** What a robot answers to the hub. */
export const robotApi = contract({
  requests: {
    describe: { params: nothing, result: description },
    /** Answers with what is applied, after the limits. OVERTAKEN, and nothing happens, unless its number is the highest so far. */
    drive: { params: v.object({ seq, ...velocity.entries }), result: velocity },
    /** Stops, whatever its number is. After the answer no command with a lower number moves the robot. */
    stop: { params: v.object({ seq }), result: nothing },
    chat: { params: v.object({ from: text(64), text: chatText }), result: nothing },
  },
  notifications: { goodbye },
})

/** What the hub takes from a robot. */
export const robotHubApi = contract({
  notifications: { telemetry, chat: v.object({ text: chatText }) },
})

/** What the hub answers to an operator. */
export const operatorHubApi = contract({
  requests: {
    robots: { params: nothing, result: robots },
    /** Takes the control lease; `force` also from somebody who uses it. */
    take: {
      params: v.object({ robot: deviceId, force: v.optional(v.boolean()) }),
      result: v.object({ driver: deviceId, fence: count }),
    },
    release: { params: robot, result: nothing },
    /** Takes the control lease if it is free. FENCED unless `fence` is that of now; nothing is carried out while the robot is being stopped. */
    drive: { params: v.object({ robot: deviceId, fence: count, ...velocity.entries }), result: velocity },
    /**
     * Anybody may, at any time. Who drove has lost the lease to the one who stopped: the next `drive` would undo it. Answers
     * when the robot has confirmed it, with the new fence: no command that was sent before moves the robot any more.
     */
    stop: { params: robot, result: v.object({ fence: count }) },
    chat: { params: v.object({ robot: deviceId, text: chatText }), result: nothing },
    /** `hub`: between hub and operator, by the last PING; `robot`: a request from the hub to the robot and back, measured now. ms. */
    rtt: { params: robot, result: v.object({ hub: v.nullable(number), robot: number }) },
  },
  streams: {
    /** Begins with the last telemetry there was, however old; goes on when the robot comes back. */
    watch: { params: robot, item: watched },
  },
})

/** Said by a robot, or to it by an operator, whose name is `from`: one line each. */
const said = v.object({ robot: deviceId, from: v.string(), role: v.picklist(['robot', 'operator']), text: v.string() })
export type Said = v.InferOutput<typeof said>

/** What an operator takes from the hub. */
export const operatorApi = contract({
  notifications: {
    chat: said,
    /** Something changed: all robots, as `robots` answers. */
    robots,
    goodbye,
  },
})
