import { EXAMPLE } from '../example.mjs'
import { ascii, bytesFrom, concat, hmac, invalid, topic, unhex, valid } from '../lib.mjs'

const ALPHABET = '0123456789ABCDEFGHJKMNPQRSTVWXYZ'

function fingerprint(psk, deviceId) {
  const mac = hmac(psk, concat(ascii('usmp-fingerprint-v1'), deviceId))
  const bits = Array.from(mac.subarray(0, 5), (byte) => byte.toString(2).padStart(8, '0')).join('')
  const letters = bits.match(/.{5}/g).map((five) => ALPHABET[Number.parseInt(five, 2)])
  return `${letters.slice(0, 4).join('')}-${letters.slice(4).join('')}`
}

const shown = (comment, flags, psk, deviceId) =>
  valid(comment, flags, { psk, device_id: deviceId }, { fingerprint: fingerprint(psk, deviceId) })

const refused = (error, comment, flags, psk, deviceId) => invalid(error, comment, flags, { psk, device_id: deviceId })

/** The first keys of a numbered row whose fingerprints have, together, each letter of the alphabet. */
function wholeAlphabet(deviceId) {
  const missing = new Set(ALPHABET)
  const keys = []
  for (let i = 0; missing.size > 0; i++) {
    const psk = bytesFrom(`fingerprint/alphabet/${i}`, 32)
    const before = missing.size
    for (const letter of fingerprint(psk, deviceId)) missing.delete(letter)
    if (missing.size < before) keys.push(psk)
  }
  return keys
}

export default function () {
  const psk = bytesFrom('fingerprint/psk', 32)
  const { deviceId } = EXAMPLE
  return topic({
    topic: 'fingerprint',
    source: 'spec 10.6',
    notes: {
      PRINTED: 'Spec 10.6.',
      DEVICE_ID: 'The id goes in as its 6 bytes, not as text.',
      PSK: 'The PSK is the key of the HMAC, at its full length.',
      ALPHABET: 'These tests together have each letter of the alphabet, which leaves out I, L, O and U.',
      TOO_SHORT: 'A PSK under 16 bytes is refused.',
      ID_LENGTH: 'Another length than 6 is refused. Where the language fixes the length there is nothing to test.',
    },
    groups: [
      {
        params: { op: 'fingerprint' },
        tests: [
          shown(
            'the check value',
            ['PRINTED'],
            Buffer.from(Array.from({ length: 32 }, (_, index) => 0xa0 + index)),
            deviceId,
          ),
          shown('a device', ['DEVICE_ID'], psk, deviceId),
          shown('the next device', ['DEVICE_ID'], psk, unhex('246f28a1b2c4')),
          shown('the same bytes in the other order', ['DEVICE_ID'], psk, unhex('c3b2a1286f24')),
          shown('device id of zeros', ['DEVICE_ID'], psk, Buffer.alloc(6)),
          shown('device id of ones', ['DEVICE_ID'], psk, Buffer.alloc(6, 0xff)),
          ...[16, 17, 63, 64, 65, 100].map((length) =>
            shown(`PSK of ${length} bytes`, ['PSK'], bytesFrom('fingerprint/long', length), deviceId),
          ),
          ...wholeAlphabet(deviceId).map((key, index) => shown(`alphabet ${index + 1}`, ['ALPHABET'], key, deviceId)),
          refused('WEAK_PSK', 'PSK of 15 bytes', ['TOO_SHORT'], psk.subarray(0, 15), deviceId),
          refused('WEAK_PSK', 'no PSK', ['TOO_SHORT'], Buffer.alloc(0), deviceId),
          refused('INVALID_ARGUMENT', 'device id of 5 bytes', ['ID_LENGTH'], psk, deviceId.subarray(0, 5)),
          refused('INVALID_ARGUMENT', 'device id of 7 bytes', ['ID_LENGTH'], psk, concat(deviceId, [0])),
          refused('INVALID_ARGUMENT', 'device id as text', ['ID_LENGTH'], psk, ascii('24:6f:28:a1:b2:c3')),
        ],
      },
    ],
  })
}
