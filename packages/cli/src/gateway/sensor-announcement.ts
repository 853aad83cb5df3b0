import { UsmpError } from '@usmp/core'
import { loadDiscovery } from '../discover/package.js'
import { type SearchFlags, searchOptions } from '../discover/place.js'
import type { Output } from '../output.js'

/** Each has sockets of its own, and answers each query. */
const MAX_ANNOUNCED = 16

/** How simulated sensors let themselves be found. */
export interface AnnounceSensorFlags extends SearchFlags {
  readonly announce?: boolean
  readonly announceId?: boolean
}

/**
 * Lets sensors be found as devices that only dial out.
 * @returns what ends it, with a goodbye of each
 * @throws UsmpError INVALID_ARGUMENT
 */
export async function announceSensors(
  sensors: readonly { readonly deviceId: string }[],
  { announce: wanted, announceId = false, ...place }: AnnounceSensorFlags,
  output: Output,
): Promise<() => Promise<void>> {
  if (!wanted && !announceId) return async () => {}
  if (sensors.length > MAX_ANNOUNCED) {
    throw new UsmpError('INVALID_ARGUMENT', `--announce is for up to ${MAX_ANNOUNCED} sensors, not ${sensors.length}`)
  }
  const { announce } = await loadDiscovery()
  const { hosts: _, ...where } = searchOptions(place)
  const onWarning = (message: string) => output.warning(message)
  const announcements = await Promise.all(
    sensors.map(({ deviceId }) => announce({ ...where, role: 'device', deviceId, announceId, onWarning })),
  )
  for (const [index, { instance }] of announcements.entries()) {
    const { deviceId } = sensors[index]!
    output.status(`${deviceId} can be found as usmp-${instance}`, { event: 'announced', device_id: deviceId, instance })
  }
  return async () => {
    await Promise.all(announcements.map((announcement) => announcement.close()))
  }
}
