import { UsmpError } from '@usmp/core'
import type { SensorConnector } from '@usmp/gateway/simulator'
import { readPemFile } from '@usmp/node/key-files'
import { isSearched, searchOptions } from '../discover/place.js'
import { ExitCode } from '../exit-code.js'
import { type PlaceOptions, urlOf } from '../options.js'
import { readPublicKeyFile } from '../ota/files.js'
import type { Output } from '../output.js'
import type { Stop } from '../stop.js'
import { type BrokerFlags, brokerOf } from './broker.js'
import { loadSimulator } from './package.js'
import { type AnnounceSensorFlags, announceSensors } from './sensor-announcement.js'
import { OWN_FILE, type SensorKeyOptions, sensorsWithKeys } from './sensor-keys.js'
import { SensorReport } from './sensor-report.js'

/** That of a gateway on this machine. */
const EMBEDDED_BROKER = 'mqtt://127.0.0.1:1883'

export interface SimSensorOptions extends PlaceOptions, SensorKeyOptions, BrokerFlags, AnnounceSensorFlags {
  readonly mqtt?: URL
  /** One connection to the broker for all. */
  readonly shared?: boolean
  /** ms between two readings. */
  readonly interval: number
  /** Files of public keys whose updates the sensors take; without any they take none. */
  readonly publisherKey?: readonly string[]
}

/** Runs simulated sensors until it is stopped. */
export async function simSensorCommand(options: SimSensorOptions, output: Output, stop: Stop): Promise<number> {
  const broker = brokerAddress(options)
  const server = broker?.href ?? urlOf(options)
  const sensors = await sensorsWithKeys(options)
  const keys = await Promise.all((options.publisherKey ?? []).map(readPublicKeyFile))
  const simulator = await loadSimulator()

  const failed = new AbortController()
  const report = new SensorReport(output, sensors.length, () => fleet.online)
  const connector = await connectorOf(simulator, broker, options, (...retry) => report.onRetry(...retry))
  const hide = await announceSensors(sensors, options, output)
  const fleet = simulator.startFleet({
    sensors,
    interval: options.interval,
    ...(keys.length > 0 ? { updates: { keys } } : {}),
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
  if ((options.pskFile ?? options.masterFile ?? options.pskTable) === undefined) {
    output.status(
      `their keys are in ${OWN_FILE}: register them on the page, or open the join window and approve them`,
      {
        event: 'keys',
        file: OWN_FILE,
      },
    )
  }
  await fleet.ended
  await connector.close()
  await hide()
  report.stop()
  for (const { psk } of sensors) psk.fill(0)
  if (failed.signal.aborted) throw failed.signal.reason
  return ExitCode.OK
}

/**
 * The broker to go over; undefined for a direct way.
 * @throws UsmpError INVALID_ARGUMENT
 */
function brokerAddress({ mqtt, url, tcp, udp, ws, serial }: SimSensorOptions): URL | undefined {
  const direct = url ?? tcp ?? udp ?? ws ?? serial
  if (mqtt && direct) {
    throw new UsmpError('INVALID_ARGUMENT', 'give either --mqtt or another way to the gateway, not both')
  }
  return direct ? undefined : (mqtt ?? new URL(EMBEDDED_BROKER))
}

async function connectorOf(
  { connectDirectly, connectOverMqtt }: typeof import('@usmp/gateway/simulator'),
  broker: URL | undefined,
  options: SimSensorOptions,
  onRetry: SensorReport['onRetry'],
): Promise<SensorConnector> {
  const { site = 'home', shared = false, ca } = options
  if (broker) return connectOverMqtt({ broker: await brokerOf(broker, options), site, shared, onRetry })
  const url = urlOf(options)
  return connectDirectly(url, {
    onRetry,
    ...(ca === undefined ? {} : { ca: await readPemFile(ca) }),
    ...(isSearched(url) ? { search: searchOptions(options) } : {}),
  })
}
