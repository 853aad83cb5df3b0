import { UsmpError } from '@usmp/core'
import type { SensorConnector } from '@usmp/gateway/simulator'
import { readPemFile } from '@usmp/node/key-files'
import { ExitCode } from '../exit-code.js'
import { type PlaceOptions, urlOf } from '../options.js'
import type { Output } from '../output.js'
import type { Stop } from '../stop.js'
import { type BrokerFlags, brokerOf } from './broker.js'
import { loadSimulator } from './package.js'
import { type SensorKeyOptions, sensorsWithKeys } from './sensor-keys.js'
import { SensorReport } from './sensor-report.js'

export interface SimSensorOptions extends PlaceOptions, SensorKeyOptions, BrokerFlags {
  readonly mqtt?: URL
  /** One connection to the broker for all. */
  readonly shared?: boolean
  /** ms between two readings. */
  readonly interval: number
}

/** Runs simulated sensors until it is stopped. */
export async function simSensorCommand(options: SimSensorOptions, output: Output, stop: Stop): Promise<number> {
  const server = serverOf(options)
  const sensors = await sensorsWithKeys(options)
  const simulator = await loadSimulator()

  const failed = new AbortController()
  const report = new SensorReport(output, sensors.length, () => fleet.online)
  const connector = await connectorOf(simulator, options, (...retry) => report.onRetry(...retry))
  const fleet = simulator.startFleet({
    sensors,
    interval: options.interval,
    signal: AbortSignal.any([stop.signal, failed.signal]),
    connect: connector.connect,
    onEvent: (event) => {
      report.onEvent(event)
      if (event.type === 'failed') failed.abort(event.error)
    },
  })
  output.status(`${sensors.length === 1 ? 'a sensor' : `${sensors.length} sensors`} for ${server}`, {
    event: 'started',
    sensors: sensors.length,
    server,
  })
  await fleet.ended
  await connector.close()
  report.stop()
  for (const { psk } of sensors) psk.fill(0)
  if (failed.signal.aborted) throw failed.signal.reason
  return ExitCode.OK
}

/** @throws UsmpError INVALID_ARGUMENT */
function serverOf(options: SimSensorOptions): string {
  const { mqtt, url, tcp, udp, ws, serial } = options
  if (!mqtt) return urlOf(options)
  if (url ?? tcp ?? udp ?? ws ?? serial) {
    throw new UsmpError('INVALID_ARGUMENT', 'give either --mqtt or another way to the gateway, not both')
  }
  return mqtt.href
}

async function connectorOf(
  { connectDirectly, connectOverMqtt }: typeof import('@usmp/gateway/simulator'),
  options: SimSensorOptions,
  onRetry: SensorReport['onRetry'],
): Promise<SensorConnector> {
  const { mqtt, site = 'home', shared = false, ca } = options
  if (mqtt) return connectOverMqtt({ broker: await brokerOf(mqtt, options), site, shared, onRetry })
  return connectDirectly(urlOf(options), { onRetry, ...(ca === undefined ? {} : { ca: await readPemFile(ca) }) })
}
