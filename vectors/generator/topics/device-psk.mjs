import { EXAMPLE } from '../example.mjs'
import { ascii, bytesFrom, concat, hkdf, invalid, topic, unhex, valid } from '../lib.mjs'

const NO_SALT = Buffer.alloc(0)

const derived = (comment, flags, master, deviceId) =>
  valid(
    comment,
    flags,
    { master, device_id: deviceId },
    { psk: hkdf(master, NO_SALT, concat(ascii('usmp-device-psk-v1'), deviceId), 32) },
  )

const refused = (error, comment, flags, master, deviceId) =>
  invalid(error, comment, flags, { master, device_id: deviceId })

export default function () {
  const master = bytesFrom('device-psk/master', 32)
  const { deviceId } = EXAMPLE
  return topic({
    topic: 'device-psk',
    source: 'spec 10.2',
    notes: {
      PRINTED: 'Spec 10.2.',
      DEVICE_ID: 'The id goes in as its 6 bytes, not as text.',
      MASTER: 'The master is the input key, at its full length; there is no salt.',
      TOO_SHORT: 'A master under 32 bytes is refused.',
      ID_LENGTH: 'Another length than 6 is refused. Where the language fixes the length there is nothing to test.',
    },
    groups: [
      {
        params: { op: 'derive' },
        tests: [
          derived(
            'the check value',
            ['PRINTED'],
            Buffer.from(Array.from({ length: 32 }, (_, index) => 0xa0 + index)),
            deviceId,
          ),
          derived('a device', ['DEVICE_ID'], master, deviceId),
          derived('the next device', ['DEVICE_ID'], master, unhex('246f28a1b2c4')),
          derived('the same bytes in the other order', ['DEVICE_ID'], master, unhex('c3b2a1286f24')),
          derived('device id of zeros', ['DEVICE_ID'], master, Buffer.alloc(6)),
          derived('device id of ones', ['DEVICE_ID'], master, Buffer.alloc(6, 0xff)),
          derived('another master', ['MASTER'], bytesFrom('device-psk/other', 32), deviceId),
          ...[33, 64, 65, 100].map((length) =>
            derived(`master of ${length} bytes`, ['MASTER'], bytesFrom('device-psk/long', length), deviceId),
          ),
          refused('WEAK_PSK', 'master of 31 bytes', ['TOO_SHORT'], master.subarray(0, 31), deviceId),
          refused('WEAK_PSK', 'master of 16 bytes', ['TOO_SHORT'], master.subarray(0, 16), deviceId),
          refused('WEAK_PSK', 'no master', ['TOO_SHORT'], Buffer.alloc(0), deviceId),
          refused('INVALID_ARGUMENT', 'device id of 5 bytes', ['ID_LENGTH'], master, deviceId.subarray(0, 5)),
          refused('INVALID_ARGUMENT', 'device id of 7 bytes', ['ID_LENGTH'], master, concat(deviceId, [0])),
          refused('INVALID_ARGUMENT', 'device id as text', ['ID_LENGTH'], master, ascii('24:6f:28:a1:b2:c3')),
        ],
      },
    ],
  })
}
