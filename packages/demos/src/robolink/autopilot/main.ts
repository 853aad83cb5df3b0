// The autonomous controller: drives a robot from waypoint to waypoint by its telemetry alone, as an operator among others.
import { readFile } from 'node:fs/promises'
import { UsmpError } from '@usmp/core'
import { ExitCode, parseOptions, parsePlace, readPskFile, required, runProgram } from '../command.js'
import type { RobotInfo } from '../contract.js'
import { parseRobot } from '../operator/commands.js'
import { hubs } from '../operator/hub-link.js'
import { Autopilot } from './autopilot.js'
import { type Point, Pursuit } from './pursuit.js'

const USAGE = `usage: autopilot --connect PLACE --id ID --psk-file FILE --robot ID [--waypoints LIST] [--laps N] [--ca FILE] [--json]
  PLACE: tcp:HOST:PORT or wss://HOST:PORT/usmp
  --waypoints: metres, "x,y x,y …"; default "1,0 1,1 0,1 0,0"
  --laps: ends after so many rounds; default: none
It stands back when somebody else takes the wheel, and goes on when the wheel is free again.`

const DEFAULT_WAYPOINTS = '1,0 1,1 0,1 0,0'
const MAX_WAYPOINTS = 1_000

await runProgram(async (output, stop) => {
  const text = { type: 'string' } as const
  const options = parseOptions(USAGE, {
    connect: text,
    id: text,
    'psk-file': text,
    robot: text,
    waypoints: { ...text, default: DEFAULT_WAYPOINTS },
    laps: text,
    ca: text,
  })
  const credentials = {
    place: parsePlace(required(options.connect, 'connect', USAGE)),
    deviceId: required(options.id, 'id', USAGE),
    psk: await readPskFile(required(options['psk-file'], 'psk-file', USAGE)),
    ca: options.ca === undefined ? undefined : await readFile(options.ca),
  }
  const robot = parseRobot(required(options.robot, 'robot', USAGE))
  const waypoints = parseWaypoints(options.waypoints)
  const most = options.laps === undefined ? Number.POSITIVE_INFINITY : parseLaps(options.laps) * waypoints.length
  const pilot = new Autopilot(robot, new Pursuit(waypoints), output)
  const onRetry = ({ code, message }: UsmpError, pause: number) =>
    output.status(`autopilot: ${message}; again in ${pause} ms`, { event: 'retry', code, message, pause })
  const notifications = {
    robots: ({ robots }: { robots: readonly RobotInfo[] }) => pilot.see(robots),
  }
  for await (const { peer } of hubs({ ...credentials, signal: stop.signal, onRetry }, notifications)) {
    if (await pilot.drive(peer, most)) break
  }
  return stop.exitCode || ExitCode.OK
})

/** @throws UsmpError INVALID_ARGUMENT */
function parseWaypoints(text: string): Point[] {
  const points = text
    .trim()
    .split(/\s+/)
    .map((pair) => pair.split(','))
  const wellFormed = points.length <= MAX_WAYPOINTS && points.every((pair) => pair.length === 2 && pair.every(isNumber))
  if (!wellFormed) throw new UsmpError('INVALID_ARGUMENT', `${text} is no list of waypoints`, { hint: USAGE })
  return points.map(([x, y]) => ({ x: Number(x), y: Number(y) }))
}

function isNumber(text: string): boolean {
  return /^-?\d+(\.\d+)?$/.test(text)
}

/** @throws UsmpError INVALID_ARGUMENT */
function parseLaps(text: string): number {
  if (/^[1-9]\d{0,5}$/.test(text)) return Number(text)
  throw new UsmpError('INVALID_ARGUMENT', `${text} is no number of laps`, { hint: USAGE })
}
