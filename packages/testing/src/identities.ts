import { bytesOf } from './bytes.js'

/** The key of the devices in tests; known to everybody, so never for anything else. 32 bytes. */
export const PSK = bytesOf(32, 77)
/** A key that no device in a test has. 32 bytes. */
export const OTHER_PSK = bytesOf(32, 78)
/** The device of most tests, as text. */
export const DEVICE_ID = 'aa:bb:cc:dd:ee:ff'
/** {@link DEVICE_ID} as it stands on the wire. */
export const DEVICE_ID_BYTES = Uint8Array.of(0xaa, 0xbb, 0xcc, 0xdd, 0xee, 0xff)

/** The n-th device of a fleet. */
export const deviceNumber = (n: number): string => `02:00:00:00:${hexByte(n >> 8)}:${hexByte(n & 0xff)}`
const hexByte = (value: number) => value.toString(16).padStart(2, '0')
