import type { TransportKind } from '@usmp/core'
import { encodeFrame, encodeSerial } from '@usmp/core'
import type { Choices } from '../target.js'
import { DEVICE_ID } from './ends.js'

/** Sizes of the payloads that mean something, by type: HELLO (and with a cookie), CHALLENGE, … */
const SIZES = [0, 38, 64, 32, 48, 54, 16, 3]

/** What somebody without the key may put into a payload: anything, or the right size of one byte. */
function payloadOf(input: Choices): Uint8Array {
  const size = input.byte()
  if (size >= 8) return input.bytes(size)
  const payload = new Uint8Array(SIZES[size]!).fill(input.byte())
  payload.set(DEVICE_ID.subarray(0, payload.length))
  return payload
}

/** What somebody without the key sends: a frame that is well made, or anything. */
export function plainPacket(kind: TransportKind, input: Choices): Uint8Array {
  const choice = input.byte() & 7
  if (choice === 7) return input.bytes(input.byte())
  const type = input.byte() || 1
  const version = choice === 6 ? 1 : 2
  const frame = encodeFrame({ type, seq: choice, payload: payloadOf(input), version })
  return kind === 'serial' ? encodeSerial(frame) : frame
}
