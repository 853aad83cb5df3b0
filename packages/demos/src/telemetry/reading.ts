import { readFileSync } from 'node:fs'
import { freemem, loadavg, totalmem } from 'node:os'

/** What the device measures, as it travels: JSON, under 200 bytes. */
export interface Reading {
  /** Counts from 1 in a session. */
  readonly n: number
  /** Load average of the last minute. */
  readonly load: number
  /** Memory in use, and all of it, MiB. */
  readonly memory: number
  readonly memoryTotal: number
  /** °C, where the machine has a sensor. */
  readonly temperature?: number
}

const MEBI = 2 ** 20
const SENSOR = '/sys/class/thermal/thermal_zone0/temp'

/** Measures the machine that this runs on. */
export function measure(n: number): Reading {
  const reading = {
    n,
    load: Math.round(loadavg()[0]! * 100) / 100,
    memory: Math.round((totalmem() - freemem()) / MEBI),
    memoryTotal: Math.round(totalmem() / MEBI),
  }
  const temperature = readTemperature()
  return temperature === undefined ? reading : { ...reading, temperature }
}

function readTemperature(): number | undefined {
  try {
    return Number(readFileSync(SENSOR, 'utf8')) / 1000
  } catch {
    return undefined
  }
}
