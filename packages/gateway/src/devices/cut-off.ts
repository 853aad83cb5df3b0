import { GatewayError } from '../errors.js'
import type { ManagedDevice } from './device.js'
import type { DeviceServices } from './services.js'

/**
 * How long a command waits for the last bytes of a session that it has ended, ms. From the first moment on nothing more is taken from the
 * device; a device that is gone does not acknowledge its end.
 */
const LAST_BYTES = 800

/**
 * Keeps a device out from this moment on, while the store is told the same for good: a store that is busy does not hold it up. If the
 * write fails, the device may come back.
 * @throws what `write` throws
 */
export async function cutOff(
  { disconnect, time }: Pick<DeviceServices, 'disconnect' | 'time'>,
  device: ManagedDevice,
  write: () => Promise<void>,
): Promise<void> {
  device.setBarred(true)
  const cut = disconnect(device.id)
  try {
    await write()
  } finally {
    device.setBarred(false)
  }
  const waited = new Promise<void>((resolve) => {
    const cancel = time.after(LAST_BYTES, resolve)
    void cut.then(() => {
      cancel()
      resolve()
    })
  })
  await waited
}

/**
 * As {@link cutOff}, but if the store cannot be written, the device stays out as long as this gateway runs: it may be stolen.
 * @throws what `write` throws; STORE_FAILED then says that the device is kept out, and until when
 */
export async function keepOut(
  services: Pick<DeviceServices, 'disconnect' | 'time' | 'directory'>,
  device: ManagedDevice,
  write: () => Promise<void>,
): Promise<void> {
  await cutOff(services, device, async () => {
    try {
      await write()
    } catch (cause) {
      if (!(cause instanceof GatewayError) || cause.code !== 'STORE_FAILED') throw cause
      services.directory.setHeldOut(device, true)
      throw new GatewayError('STORE_FAILED', `The device is kept out, but only until a restart: ${cause.message}`, {
        hint: `${cause.hint ?? ''} Then repeat this command, or unblock the device to let it in again.`.trim(),
        cause,
      })
    }
  })
}
