import { readPemFile } from '@usmp/node/key-files'
import { ExitCode } from '../exit-code.js'
import { type PlaceOptions, urlOf } from '../options.js'
import type { Output } from '../output.js'
import type { Stop } from '../stop.js'
import { loadSimulator } from './package.js'
import { type SensorKeyOptions, sensorsWithKeys } from './sensor-keys.js'
import { SensorReport } from './sensor-report.js'

export interface SimSensorOptions extends PlaceOptions, SensorKeyOptions {
  /** ms between two readings. */
  readonly interval: number
}

/** Runs simulated sensors until it is stopped. */
export async function simSensorCommand(options: SimSensorOptions, output: Output, stop: Stop): Promise<number> {
  const url = urlOf(options)
  const sensors = await sensorsWithKeys(options)
  const ca = options.ca === undefined ? {} : { ca: await readPemFile(options.ca) }
  const { sensorsAt, startFleet } = await loadSimulator()

  const failed = new AbortController()
  const report = new SensorReport(output, sensors.length, () => fleet.online)
  const fleet = startFleet({
    sensors,
    interval: options.interval,
    signal: AbortSignal.any([stop.signal, failed.signal]),
    connect: sensorsAt(url, { ...ca, onRetry: (...retry) => report.onRetry(...retry) }),
    onEvent: (event) => {
      report.onEvent(event)
      if (event.type === 'failed') failed.abort(event.error)
    },
  })
  output.status(`${sensors.length === 1 ? 'a sensor' : `${sensors.length} sensors`} for ${url}`, {
    event: 'started',
    sensors: sensors.length,
    server: url,
  })
  await fleet.ended
  report.stop()
  for (const { psk } of sensors) psk.fill(0)
  if (failed.signal.aborted) throw failed.signal.reason
  return ExitCode.OK
}
