import { describe, expect, test } from 'vitest'
import { addressBlock, ipBytes } from '../src/ip-address.ts'

describe('addresses', () => {
  test.each([
    ['192.0.2.7', 'c0000207'],
    ['::', '00000000000000000000000000000000'],
    ['::1', '00000000000000000000000000000001'],
    ['2001:db8::a:b', '20010db80000000000000000000a000b'],
    ['fe80::1%eth0', 'fe800000000000000000000000000001'],
    ['::ffff:192.0.2.7', '00000000000000000000ffffc0000207'],
    ['1:2:3:4:5:6:7:8', '00010002000300040005000600070008'],
  ])('%s', (address, bytes) => expect(Buffer.from(ipBytes(address)).toString('hex')).toBe(bytes))
})

describe('what counts as one address for limits', () => {
  test.each([
    ['192.0.2.7', '192.0.2.7'],
    ['::ffff:192.0.2.7', '192.0.2.7'],
    ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2::/64'],
    ['2001:db8:1:2::9', '2001:db8:1:2::/64'],
    ['::1', '0:0:0:0::/64'],
    ['fe80::1%eth0', 'fe80::1%eth0'],
  ])('%s', (address, block) => expect(addressBlock(address)).toBe(block))
})
