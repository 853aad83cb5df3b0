import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { networkInterfaces } from 'node:os'
import { announce } from '../src/announce.ts'
import { discover } from '../src/discover.ts'
import type { Found } from '../src/found.ts'
import type { AnnounceOptions, DiscoverOptions, PlaceOptions } from '../src/options.ts'

/** Loopback under whatever name it has here. */
export const LOOPBACK = Object.entries(networkInterfaces()).find(([, list]) =>
  list?.some(({ internal }) => internal),
)![0]

/** A UDP port that nobody has. */
export async function freePort(): Promise<number> {
  const socket = createSocket('udp4').bind(0)
  await once(socket, 'listening')
  const { port } = socket.address()
  socket.close()
  return port
}

/** A place of its own for one test: loopback, and ports that nobody else has. */
export async function ownPlace(): Promise<Required<Pick<PlaceOptions, 'interfaces' | 'port' | 'mdnsPort'>>> {
  return { interfaces: [LOOPBACK], port: await freePort(), mdnsPort: await freePort() }
}

export const gatewayAt = (place: PlaceOptions, more: Partial<AnnounceOptions> = {}) =>
  announce({
    role: 'gateway',
    site: 'home',
    carriers: [{ kind: 'tcp', port: 9000, host: '127.0.0.1' }],
    ...place,
    ...more,
  })

/** Searches until `enough` says so, and tells what was found then. Fails by the limit of the test. */
export async function searchUntil(
  options: DiscoverOptions,
  enough: (found: readonly Found[]) => boolean,
): Promise<readonly Found[]> {
  const search = discover({ timeout: 0, ...options })
  for await (const _ of search) if (enough(search.found)) return search.found
  throw new Error('the search ended')
}
