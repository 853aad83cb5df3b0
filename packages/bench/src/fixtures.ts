import { randomBytes } from 'node:crypto'

/** Of both ends of everything that is measured. */
export const psk = new Uint8Array(randomBytes(32))

let devices = 0

/** A device id that nobody has had, so that no session takes another one's place. */
export function nextDeviceId(): Uint8Array {
  const id = Buffer.from('020000000000', 'hex')
  id.writeUInt32BE(devices++, 2)
  return new Uint8Array(id)
}
