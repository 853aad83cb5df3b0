import { randomBytes } from 'node:crypto'
import { access } from 'node:fs/promises'
import { join } from 'node:path'
import type { BrokerOptions } from '@usmp/mqtt'
import { readPskTable } from '@usmp/node'
import { writeSecretFile } from '@usmp/node/key-files'
import { MAX_TRUSTED_KEYS } from '@usmp/ota'
import type { Actor } from '../actor.js'
import type { Operations } from '../operations.js'
import { connectOverMqtt } from '../simulator/connect.js'
import { startFleet } from '../simulator/fleet.js'

const KEY_SIZE = 32
/** ms between two readings: a curve should show soon. */
const INTERVAL = 2000
/** In the range that nobody is assigned; "demo", and a number. */
const KNOWN = '02:64:65:6d:6f:01'
const UNKNOWN = '02:64:65:6d:6f:02'
const WRONG = '02:64:65:6d:6f:03'

const CLI: Actor = { name: 'cli', role: 'admin' }

/** Three simulated sensors for a first try. */
export interface Demo {
  /** Registered, and online at once. */
  readonly known: string
  /** Nobody has registered it: it knocks. */
  readonly unknown: { readonly deviceId: string; readonly key: string }
  /** Registered with another key than it has. */
  readonly wrong: string
  close(): Promise<void>
}

/**
 * Starts the sensors; at the first start with this folder their keys are made, and two of them are registered.
 * @param publisherKeys whose updates they take; without any they take none
 * @throws GatewayError EXISTS if there is a device with one of their ids, STORE_FAILED
 */
export async function startDemo(
  folder: string,
  operations: Operations,
  broker: BrokerOptions,
  site: string,
  publisherKeys: readonly Uint8Array[] = [],
): Promise<Demo> {
  const keys = await keysOf(join(folder, 'demo-keys.json'), operations)
  const stop = new AbortController()
  const connector = connectOverMqtt({ broker, site })
  const fleet = startFleet({
    sensors: [
      { deviceId: KNOWN, psk: keys.get(KNOWN)!, place: 'Room sensor' },
      { deviceId: UNKNOWN, psk: keys.get(UNKNOWN)!, place: 'Greenhouse sensor' },
      { deviceId: WRONG, psk: keys.get(WRONG)!, place: 'Cold store' },
    ],
    interval: INTERVAL,
    connect: connector.connect,
    // As a factory would give them.
    ...(publisherKeys.length > 0 ? { updates: { keys: publisherKeys.slice(0, MAX_TRUSTED_KEYS) } } : {}),
    signal: stop.signal,
  })
  return {
    known: KNOWN,
    unknown: { deviceId: UNKNOWN, key: Buffer.from(keys.get(UNKNOWN)!).toString('hex') },
    wrong: WRONG,
    close: async () => {
      stop.abort()
      await fleet.ended
      await connector.close()
      for (const psk of keys.values()) psk.fill(0)
    },
  }
}

async function keysOf(file: string, operations: Operations): Promise<Map<string, Uint8Array>> {
  if (!(await exists(file))) {
    const [known, unknown, wrong, other] = Array.from({ length: 4 }, () => randomBytes(KEY_SIZE).toString('hex'))
    await operations.register(CLI, { id: KNOWN, psk: known!, name: 'Living room' })
    await operations.register(CLI, { id: WRONG, psk: other!, name: 'Cold store' })
    await writeSecretFile(file, `${JSON.stringify({ [KNOWN]: known, [UNKNOWN]: unknown, [WRONG]: wrong }, null, 2)}\n`)
  }
  return readPskTable(file)
}

function exists(file: string): Promise<boolean> {
  return access(file).then(
    () => true,
    () => false,
  )
}
