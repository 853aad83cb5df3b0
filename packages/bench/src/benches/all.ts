import type { Bench } from './bench.js'
import { browserSessions } from './browser.js'
import { idleSessions } from './idle.js'
import { memoryHandshakes, memoryMessages } from './memory.js'
import { mqttBenches } from './mqtt.js'
import { otaBenches } from './ota.js'
import { relayBenches } from './relay.js'
import { scaleCost, scaleMemory, storm } from './scale.js'
import { bundleSizes, coldConnect, importTimes } from './size.js'
import { tcpBenches } from './tcp.js'

/** In the order of the report. */
export const benches: readonly Bench[] = [
  memoryHandshakes,
  memoryMessages(16),
  memoryMessages(64, 0.65),
  memoryMessages(452, 0.75),
  ...tcpBenches,
  browserSessions,
  idleSessions,
  scaleMemory,
  scaleCost,
  storm,
  ...mqttBenches,
  ...otaBenches,
  ...relayBenches,
  bundleSizes,
  importTimes,
  coldConnect,
]
