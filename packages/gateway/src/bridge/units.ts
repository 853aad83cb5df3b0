/** What Home Assistant is told of a number, besides its name. */
export interface Measure {
  readonly device_class?: string
  readonly state_class?: string
  readonly unit_of_measurement?: string
}

/** Ways to write a unit, as Home Assistant writes it. Its micro is the Greek letter. */
const SPELLINGS: ReadonlyMap<string, string> = new Map([
  ['C', '°C'],
  ['degC', '°C'],
  ['℃', '°C'],
  ['F', '°F'],
  ['degF', '°F'],
  ['℉', '°F'],
  ['percent', '%'],
  ['lux', 'lx'],
  ['mbar', 'hPa'],
  ['l', 'L'],
  ['ug/m3', 'μg/m³'],
  ['µg/m³', 'μg/m³'],
  ['µg/m3', 'μg/m³'],
  ['mg/m3', 'mg/m³'],
  ['m3', 'm³'],
  ['m3/h', 'm³/h'],
  ['l/min', 'L/min'],
  ['µS/cm', 'μS/cm'],
  ['uS/cm', 'μS/cm'],
  ['µA', 'μA'],
  ['uA', 'μA'],
  ['µV', 'μV'],
  ['uV', 'μV'],
  ['W/m2', 'W/m²'],
])

/** Units that say by themselves what they measure. */
const CLASSES: Readonly<Record<string, readonly string[]>> = {
  temperature: ['°C', '°F', 'K'],
  pressure: ['Pa', 'hPa', 'kPa', 'bar', 'psi', 'mmHg', 'inHg'],
  illuminance: ['lx'],
  irradiance: ['W/m²'],
  voltage: ['V', 'mV', 'μV', 'kV'],
  current: ['A', 'mA', 'μA'],
  power: ['W', 'mW', 'kW', 'MW'],
  apparent_power: ['VA'],
  energy: ['Wh', 'kWh', 'MWh'],
  frequency: ['Hz', 'kHz', 'MHz', 'GHz'],
  signal_strength: ['dBm'],
  conductivity: ['μS/cm', 'mS/cm', 'S/cm'],
  weight: ['g', 'kg', 'mg', 'lb', 'oz'],
  distance: ['mm', 'cm', 'm', 'km'],
  speed: ['m/s', 'km/h', 'mph', 'kn'],
  duration: ['ms', 's', 'min', 'h', 'd'],
  volume_flow_rate: ['m³/h', 'L/min'],
  data_size: ['B', 'kB', 'MB', 'GB', 'KiB', 'MiB', 'GiB'],
}

/** Units that several things are measured in: the name of the reading decides. */
const BY_NAME: readonly (readonly [unit: string, name: RegExp, deviceClass: string])[] = [
  ['%', /hum/i, 'humidity'],
  ['%', /batt/i, 'battery'],
  ['%', /moist|soil/i, 'moisture'],
  ['ppm', /co2|carbon.?dioxide/i, 'carbon_dioxide'],
  ['ppm', /voc/i, 'volatile_organic_compounds_parts'],
  ['ppb', /voc/i, 'volatile_organic_compounds_parts'],
  ['μg/m³', /pm.?2.?5/i, 'pm25'],
  ['μg/m³', /pm.?10/i, 'pm10'],
  ['μg/m³', /pm.?1(?!\d)/i, 'pm1'],
]

const classOfUnit = new Map(
  Object.entries(CLASSES).flatMap(([deviceClass, units]) => units.map((unit) => [unit, deviceClass] as const)),
)

/** Guesses what a number means. A class that does not fit its unit would make Home Assistant refuse the sensor, so in doubt there is none. */
export function measureOf(name: string, unit: string | null): Measure {
  if (unit === null) return { state_class: 'measurement' }
  const unit_of_measurement = SPELLINGS.get(unit) ?? unit
  const device_class =
    classOfUnit.get(unit_of_measurement) ??
    BY_NAME.find(([of, pattern]) => of === unit_of_measurement && pattern.test(name))?.[2]
  // A meter of energy counts up; anything else is what it is now.
  const state_class = device_class === 'energy' ? 'total_increasing' : 'measurement'
  return { ...(device_class ? { device_class } : {}), state_class, unit_of_measurement }
}
