import type { Target } from './target.js'
import { differential } from './targets/differential.js'
import { discovery } from './targets/discovery.js'
import { frames } from './targets/frames.js'
import { gatewayHttp } from './targets/gateway-http.js'
import { gatewayTelemetry } from './targets/gateway-telemetry.js'
import { handshake } from './targets/handshake.js'
import { mqtt } from './targets/mqtt.js'
import { otaDifferential } from './targets/ota-differential.js'
import { otaManifest } from './targets/ota-manifest.js'
import { otaTransfer } from './targets/ota-transfer.js'
import { relayChannel } from './targets/relay-channel.js'
import { relayJoin } from './targets/relay-join.js'
import { relayPairing } from './targets/relay-pairing.js'
import { rpcMessages } from './targets/rpc.js'
import { session } from './targets/session.js'

/** By the names of the list. */
export const targets: Readonly<Record<string, Target>> = {
  frames,
  handshake,
  session,
  differential,
  rpc: rpcMessages,
  mqtt,
  'gateway-http': gatewayHttp,
  'gateway-telemetry': gatewayTelemetry,
  'ota-manifest': otaManifest,
  'ota-differential': otaDifferential,
  discovery,
  'ota-transfer': otaTransfer,
  'relay-join': relayJoin,
  'relay-pairing': relayPairing,
  'relay-channel': relayChannel,
}
