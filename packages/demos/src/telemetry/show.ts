import { styleText } from 'node:util'
import { encodeFrame, type Frame, packetTypeName, toHex } from '@usmp/core'
import type { Reading } from './reading.js'

/** What there is to see at a moment. */
export interface View {
  readonly gateway: string
  readonly device: string
  readonly deviceId: string
  sessionId: string
  suite: string
  readings: number
  reading: Reading | undefined
  roundTrips: number[]
  lastFrame: { readonly frame: Frame; readonly fromDevice: boolean } | undefined
  frames: number
}

const KEPT_ROUND_TRIPS = 100
/** In hex they fit into 80 columns. */
const BYTES_IN_LINE = 20

export function addRoundTrip(view: View, roundTrip: number): void {
  view.roundTrips.push(roundTrip)
  if (view.roundTrips.length > KEPT_ROUND_TRIPS) view.roundTrips.shift()
}

/** The whole picture, for a terminal. */
export function panel(view: View): string {
  const { reading, lastFrame } = view
  const dim = (text: string) => styleText('dim', text)
  const lines = [
    `${styleText('bold', 'USMP')}  ${view.device} ${dim(view.deviceId)} → gateway ${dim(view.gateway)}`,
    dim(`session ${view.sessionId || '…'}  ${view.suite}`),
    '',
    `${styleText('green', 'decrypted')}   ${reading ? describeReading(reading) : 'waiting for the first reading …'}`,
    `round trip  ${describeRoundTrips(view.roundTrips)}`,
    '',
    `${styleText('red', 'on the wire')} ${lastFrame ? describeFrame(lastFrame.frame, lastFrame.fromDevice) : '…'}`,
    ...(lastFrame ? hexLines(lastFrame.frame).map(dim) : []),
    '',
    dim(`${view.readings} readings, ${view.frames} frames seen on the path; Ctrl-C ends`),
  ]
  return lines.join('\n')
}

/** One reading in a line of less than 80 columns, for a log: what it was, and how it began on the wire. */
export function logLine(view: View): string {
  const { reading, lastFrame } = view
  const wire = lastFrame ? `  wire ${toHex(encodeFrame(lastFrame.frame)).slice(0, 8)}…` : ''
  return `${reading ? describeReading(reading) : ''}  rtt ${view.roundTrips.at(-1)?.toFixed(2) ?? '–'} ms${wire}`
}

export function describeReading({ n, load, memory, memoryTotal, temperature }: Reading): string {
  const degrees = temperature === undefined ? '' : `  ${temperature.toFixed(1)} °C`
  return `#${n}  load ${load.toFixed(2)}  mem ${gibi(memory)}/${gibi(memoryTotal)} GiB${degrees}`
}

/** From MiB. */
function gibi(mebi: number): string {
  return (mebi / 1024).toFixed(1)
}

export function describeRoundTrips(roundTrips: readonly number[]): string {
  if (roundTrips.length === 0) return '…'
  const sorted = [...roundTrips].sort((a, b) => a - b)
  const at = (share: number) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))]!.toFixed(2)
  return `${roundTrips.at(-1)!.toFixed(2)} ms   median ${at(0.5)}   p95 ${at(0.95)}   of the last ${roundTrips.length}`
}

function describeFrame(frame: Frame, fromDevice: boolean): string {
  const arrow = fromDevice ? 'device → gateway' : 'gateway → device'
  return `${arrow}  ${packetTypeName(frame.type)}  seq ${frame.seq}  ${frame.payload.length} bytes, sealed`
}

function hexLines(frame: Frame): string[] {
  const bytes = encodeFrame(frame)
  const lines: string[] = []
  for (let at = 0; at < bytes.length && lines.length < 6; at += BYTES_IN_LINE) {
    lines.push(`            ${toHex(bytes.subarray(at, at + BYTES_IN_LINE), ' ')}`)
  }
  return lines
}
