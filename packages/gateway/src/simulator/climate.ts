import { noise, seedOf, smoothNoise } from './noise.js'

const MINUTE = 60_000
const HOUR = 60 * MINUTE
const DAY = 24 * HOUR
/** A battery lasts so long, and is changed then. */
const BATTERY_LIFE = 200 * DAY

/** One moment at one sensor. */
interface Moment {
  /** ms since 1970. */
  readonly at: number
  /** -1 in the coldest hour of the night, 1 in the warmest of the afternoon. */
  readonly day: number
  /** The weather, the next hour, and what can be seen to move within a minute; each from -1 to 1. */
  readonly slow: number
  readonly medium: number
  readonly fast: number
  /** What the sensor itself adds, from -1 to 1. */
  readonly grain: (reading: number) => number
  readonly seed: number
}

interface Quantity {
  readonly unit: string | null
  /** Digits behind the point. */
  readonly digits: number
  readonly value: (moment: Moment) => number | boolean
}

const battery: Quantity = {
  unit: '%',
  digits: 0,
  value: ({ at, seed }) => 100 - 95 * (((at + (seed % 1000) * 0.001 * BATTERY_LIFE) % BATTERY_LIFE) / BATTERY_LIFE),
}

/** What there is to measure, by the place where a sensor hangs. */
const places = {
  'Room sensor': {
    temperature: {
      unit: '°C',
      digits: 2,
      value: ({ day, slow, medium, fast, grain }) =>
        21.2 + 1.3 * day + 0.8 * slow + 0.3 * medium + 0.25 * fast + 0.02 * grain(0),
    },
    humidity: {
      unit: '%',
      digits: 1,
      value: ({ day, slow, medium, fast, grain }) => 45 - 4 * day + 6 * slow + 2 * medium - 0.6 * fast + 0.2 * grain(1),
    },
    co2: {
      unit: 'ppm',
      digits: 0,
      value: ({ day, medium, fast, grain }) => 720 + 180 * day + 140 * medium + 25 * fast + 6 * grain(2),
    },
    battery,
  },
  'Outdoor sensor': {
    temperature: {
      unit: '°C',
      digits: 2,
      value: ({ day, slow, medium, fast, grain }) =>
        11 + 5.5 * day + 4 * slow + 0.5 * medium + 0.2 * fast + 0.03 * grain(0),
    },
    humidity: {
      unit: '%',
      digits: 1,
      value: ({ day, slow, fast, grain }) => 68 - 14 * day + 12 * slow - fast + 0.3 * grain(1),
    },
    pressure: {
      unit: 'hPa',
      digits: 1,
      value: ({ slow, medium, grain }) => 1013 - 9 * slow + 0.4 * medium + 0.05 * grain(2),
    },
    battery,
  },
  'Greenhouse sensor': {
    temperature: {
      unit: '°C',
      digits: 2,
      value: ({ day, slow, medium, fast, grain }) =>
        22.5 + 6 * day + 1.5 * slow + 0.8 * medium + 0.4 * fast + 0.03 * grain(0),
    },
    light: {
      unit: 'lx',
      digits: 0,
      value: ({ day, medium, fast, grain }) =>
        Math.max(0, day + 0.4) * (22_000 + 7_000 * medium + 2_500 * fast) + 4 * (1 + grain(1)),
    },
    soil_moisture: {
      unit: '%',
      digits: 1,
      // Watered twice a day, and it dries in between.
      value: ({ at, slow, grain }) => 52 - 16 * ((at % (DAY / 2)) / (DAY / 2)) + 2 * slow + 0.1 * grain(2),
    },
    battery,
  },
  'Cold store': {
    temperature: {
      unit: '°C',
      digits: 2,
      // The compressor works for 6 minutes of 18.
      value: ({ at, slow, fast, grain }) => {
        const phase = (at % (18 * MINUTE)) / (18 * MINUTE)
        const swing = phase < 1 / 3 ? 1 - 3 * phase : 1.5 * (phase - 1 / 3)
        return -19 + 1.6 * swing + 0.3 * slow + 0.08 * fast + 0.02 * grain(0)
      },
    },
    power: {
      unit: 'W',
      digits: 0,
      value: ({ at, fast, grain }) => (at % (18 * MINUTE) < 6 * MINUTE ? 145 + 6 * fast : 3) + grain(1),
    },
    door_open: { unit: null, digits: 0, value: ({ fast, medium }) => fast + medium > 1.2 },
  },
} as const satisfies Record<string, Record<string, Quantity>>

/** Where a simulated sensor hangs; it is its name too. */
export type Place = keyof typeof places
export const placeNames = Object.keys(places) as readonly Place[]

/** The unit of each reading of a place that has one. */
export function unitsOf(place: Place): Record<string, string> {
  const quantities: readonly [string, Quantity][] = Object.entries(places[place])
  return Object.fromEntries(quantities.flatMap(([name, { unit }]) => (unit === null ? [] : [[name, unit]])))
}

/**
 * What a sensor measures at a moment: a swing over the day, weather over hours, wobbles that can be seen within a minute, and
 * the grain of the sensor. The same sensor measures the same at the same moment.
 * @param at ms since 1970
 */
export function measure(place: Place, deviceId: string, at: number): Record<string, number | boolean> {
  const seed = seedOf(deviceId)
  const moment: Moment = {
    at,
    seed,
    // Coldest at 3 in the morning, warmest at 3 in the afternoon (UTC).
    day: Math.sin((2 * Math.PI * (at - 9 * HOUR)) / DAY),
    slow: smoothNoise(seed + 1, at, 5 * HOUR),
    medium: smoothNoise(seed + 2, at, 22 * MINUTE),
    fast: smoothNoise(seed + 3, at, 0.6 * MINUTE),
    grain: (reading) => noise(seed + 4 + reading, at),
  }
  const quantities: readonly [string, Quantity][] = Object.entries(places[place])
  return Object.fromEntries(
    quantities.map(([name, { value, digits }]) => {
      const exact = value(moment)
      return [name, typeof exact === 'boolean' ? exact : Number(exact.toFixed(digits))]
    }),
  )
}
