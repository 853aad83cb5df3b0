import { createDecipheriv } from 'node:crypto'
import {
  aead,
  ascii,
  bytesFrom,
  concat,
  flip,
  hex,
  hkdf,
  hkdfExtract,
  hmac,
  invalid,
  topic,
  unhex,
  valid,
  x25519,
} from '../lib.mjs'

const P = 2n ** 255n - 19n
const [AES, CHACHA] = [1, 2]

const repeat = (byte, length) => Buffer.alloc(length, byte)
const count = (from, length) => Buffer.from(Array.from({ length }, (_, index) => from + index))

function littleEndian(number) {
  return Buffer.from(number.toString(16).padStart(64, '0'), 'hex').reverse()
}

/** What was computed here, if it is what was printed there. `printed` may be the first bytes only. */
function asPrinted(source, computed, printed) {
  const bytes = unhex(printed)
  if (bytes.length === 0 && printed.length > 0) throw new Error(`${source}: no hex`)
  if (!bytes.equals(computed.subarray(0, bytes.length)))
    throw new Error(`${source} prints ${printed}, computed is ${hex(computed)}`)
  return computed
}

// ---- X25519 ----

function x25519Tests() {
  const published = (source, own, peer, shared) =>
    valid(
      source,
      ['RFC_7748'],
      { private: unhex(own), peer_public: unhex(peer) },
      {
        shared: asPrinted(source, x25519(unhex(own), unhex(peer)), shared),
      },
    )
  const own = bytesFrom('primitives/x25519', 32)
  const agrees = (comment, flags, ownPrivate, peer) =>
    valid(comment, flags, { private: ownPrivate, peer_public: peer }, { shared: x25519(ownPrivate, peer) })
  const refuses = (comment, ownPrivate, peer) => {
    if (x25519(ownPrivate, peer) !== null) throw new Error(`${comment}: not of low order`)
    return invalid('LOW_ORDER_POINT', comment, ['LOW_ORDER'], { private: ownPrivate, peer_public: peer })
  }
  return [
    published(
      'RFC 7748, section 5.2, first',
      'a546e36bf0527c9d3b16154b82465edd62144c0ac1fc5a18506a2244ba449ac4',
      'e6db6867583030db3594c1a424b15f7c726624ec26b3353b10a903a6d0ab1c4c',
      'c3da55379de9c6908e94ea4df28d084f32eccf03491c71f754b4075577a28552',
    ),
    published(
      'RFC 7748, section 5.2, second: the highest bit of the coordinate is set',
      '4b66e9d4d1b4673c5ad22691957d6af5c11b6421e0ea01d42ca4169e7918ba0d',
      'e5210f12786811d3f4b7959d0538ae2c31dbe7106fc03c3efc4cd549c715a493',
      '95cbde9476e8907d7aade45cb4b873f88b595a68799fa152e6f8f7647aac7957',
    ),
    published(
      "RFC 7748, section 6.1, Bob with Alice's key",
      '5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb',
      '8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a',
      '4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742',
    ),
    // Those of 9 and 18 are in key-schedule; of 0 and 1 below.
    ...[2, 3, 4, 5, 6, 7, 8, 10, 11, 12, 13, 14, 15, 16, 17].map((small) =>
      agrees(`p + ${small}, which is ${small} not reduced`, ['NON_CANONICAL'], own, littleEndian(P + BigInt(small))),
    ),
    refuses('0 and a private key of zeros', repeat(0, 32), littleEndian(0n)),
    refuses('0 and a private key of ones', repeat(0xff, 32), littleEndian(0n)),
    refuses('p and a private key of ones', repeat(0xff, 32), littleEndian(P)),
    refuses('p + 1 and a private key of zeros', repeat(0, 32), littleEndian(P + 1n)),
    refuses('p - 1 and a private key of ones', repeat(0xff, 32), littleEndian(P - 1n)),
  ]
}

function iterated(iterations, printed) {
  const source = `RFC 7748, section 5.2, after ${iterations} ${iterations === 1 ? 'time' : 'times'}`
  let [own, peer] = [littleEndian(9n), littleEndian(9n)]
  for (let i = 0; i < iterations; i++) [own, peer] = [x25519(own, peer), own]
  return valid(
    source,
    ['ITERATED'],
    { private: littleEndian(9n), peer_public: littleEndian(9n), iterations },
    { shared: asPrinted(source, own, printed) },
  )
}

// ---- HMAC and HKDF ----

function hmacTests() {
  const cases = [
    [repeat(0x0b, 20), ascii('Hi There'), 'b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7'],
    [
      ascii('Jefe'),
      ascii('what do ya want for nothing?'),
      '5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843',
    ],
    [repeat(0xaa, 20), repeat(0xdd, 50), '773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe'],
    [count(1, 25), repeat(0xcd, 50), '82558a389a443c0ea4cc819899f2083a85f0faa3e578f8077a2e3ff46729665b'],
    [repeat(0x0c, 20), ascii('Test With Truncation'), 'a3b6167473100ee06e0c796c2955552b'],
    [
      repeat(0xaa, 131),
      ascii('Test Using Larger Than Block-Size Key - Hash Key First'),
      '60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54',
    ],
    [
      repeat(0xaa, 131),
      ascii(
        'This is a test using a larger than block-size key and a larger than block-size data. The key needs to be hashed before being used by the HMAC algorithm.',
      ),
      '9b09ffa71b942fcb27635fbcd5b0e944bfdc63644f0713938a7f51535c3a35e2',
    ],
  ].map(([key, message, printed], index) => {
    const source = `RFC 4231, section 4.${index + 2}${printed.length < 64 ? ', of which the first 16 bytes are printed' : ''}`
    return valid(source, ['RFC_4231'], { key, message }, { mac: asPrinted(source, hmac(key, message), printed) })
  })
  const message = bytesFrom('primitives/hmac/message', 106)
  const lengths = [0, 1, 16, 63, 64, 65].map((length) => {
    const key = bytesFrom('primitives/hmac/key', length)
    return valid(`key of ${length} bytes`, ['KEY_LENGTH'], { key, message }, { mac: hmac(key, message) })
  })
  const empty = Buffer.alloc(0)
  return [
    ...cases,
    ...lengths,
    valid(
      'nothing under an empty key',
      ['KEY_LENGTH'],
      { key: empty, message: empty },
      {
        mac: asPrinted(
          'the usual HMAC-SHA256 of nothing',
          hmac(empty, empty),
          'b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad',
        ),
      },
    ),
  ]
}

function hkdfTests() {
  const published = (number, ikm, salt, info, length, prk, okm) => {
    const source = `RFC 5869, appendix A.${number}`
    return valid(
      source,
      ['RFC_5869'],
      { ikm, salt, info, length },
      {
        prk: asPrinted(source, hkdfExtract(salt, ikm), prk),
        okm: asPrinted(source, hkdf(ikm, salt, info, length), okm),
      },
    )
  }
  const [ikm, salt, info] = ['ikm', 'salt', 'info'].map((name) => bytesFrom(`primitives/hkdf/${name}`, 32))
  const own = (comment, given, length) =>
    valid(
      comment,
      ['LENGTHS'],
      { ...given, length },
      {
        prk: hkdfExtract(given.salt, given.ikm),
        okm: hkdf(given.ikm, given.salt, given.info, length),
      },
    )
  const empty = Buffer.alloc(0)
  return [
    published(
      1,
      repeat(0x0b, 22),
      count(0, 13),
      count(0xf0, 10),
      42,
      '077709362c2e32df0ddc3f0dc47bba6390b6c73bb50f9c3122ec844ad7c2b3e5',
      '3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865',
    ),
    published(
      2,
      count(0, 80),
      count(0x60, 80),
      count(0xb0, 80),
      82,
      '06a6b88c5853361a06104c9ceb35b45cef760014904671014a193f40c15fc244',
      'b11e398dc80327a1c8e7f78c596a49344f012eda2d4efad8a050cc4c19afa97c59045a99cac7827271cb41c65e590e09da3275600c2f09b8367793a9aca3db71cc30c58179ec3e87c14c01d5c1f3434f1d87',
    ),
    published(
      3,
      repeat(0x0b, 22),
      empty,
      empty,
      42,
      '19ef24a32c717b167f33a91d6f648bdf96596776afdb6377ac434c1c293ccb04',
      '8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8',
    ),
    ...[1, 31, 32, 33, 63, 64].map((length) => own(`${length} bytes of output`, { ikm, salt, info }, length)),
    own('a salt longer than a block', { ikm, salt: bytesFrom('primitives/hkdf/long', 100), info }, 64),
    own('an empty info', { ikm, salt, info: empty }, 64),
  ]
}

// ---- AEAD ----

/** Cases 13 to 16 of McGrew and Viega's submission of GCM to NIST, appendix B: those with 256 bits of key and 96 of nonce. */
const GCM_KEY = 'feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308'
const GCM_TEXT =
  'd9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a721c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b391aafd255'
const GCM_SEALED =
  '522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662898015ad'
const MCGREW = [
  ['13', '00'.repeat(32), '00'.repeat(12), '', '', '530f8afbc74536b9a963b4f1c4cb738b'],
  [
    '14',
    '00'.repeat(32),
    '00'.repeat(12),
    '',
    '00'.repeat(16),
    'cea7403d4d606b6e074ec5d3baf39d18d0d1c8a799996bf0265b98b5d48ab919',
  ],
  ['15', GCM_KEY, 'cafebabefacedbaddecaf888', '', GCM_TEXT, `${GCM_SEALED}b094dac5d93471bdec1a502270e3cc6c`],
  [
    '16',
    GCM_KEY,
    'cafebabefacedbaddecaf888',
    'feedfacedeadbeeffeedfacedeadbeefabaddad2',
    GCM_TEXT.slice(0, 120),
    `${GCM_SEALED.slice(0, 120)}76fc6ece0f4e1768cddf8853bb2d551b`,
  ],
]

/** NIST CAVP, gcmEncryptExtIV256.rsp: the first case of the section with these lengths, in bits, of plaintext and additional data. */
const CAVP_SEAL = [
  [
    '0 and 0',
    'b52c505a37d78eda5dd34f20c22540ea1b58963cf8e5bf8ffa85f9f2492505b4',
    '516c33929df5a3284ff463d7',
    '',
    '',
    'bdc1ac884d332457a1d2664f168c76f0',
  ],
  [
    '128 and 0',
    '31bdadd96698c204aa9ce1448ea94ae1fb4a9a0b3c9d773b51bb1822666b8f22',
    '0d18e06c7c725ac9e362e1ce',
    '',
    '2db5168e932556f8089a0622981d017d',
    'fa4362189661d163fcd6a56d8bf0405ad636ac1bbedd5cc3ee727dc2ab4a9489',
  ],
  [
    '128 and 128',
    '92e11dcdaa866f5ce790fd24501f92509aacf4cb8b1339d50c9c1240935dd08b',
    'ac93a1a6145299bde902f21a',
    '1e0889016f67601c8ebea4943bc23ad6',
    '2d71bcfa914e4ac045b2aa60955fad24',
    '8995ae2e6df3dbf96fac7b7137bae67feca5aa77d51d4a0a14d9c51e1da474ab',
  ],
  [
    '256 and 384',
    'dc776f0156c15d032623854b625c61868e5db84b7b6f9fbd3672f12f0025e0f6',
    '67130951c4a57f6ae7f13241',
    'fd0920faeb7b212932280a009bac969145e5c316cf3922622c3705c3457c4e9f124b2076994323fbcfb523f8ed16d241',
    '9378a727a5119595ad631b12a5a6bc8a91756ef09c8d6eaa2b718fe86876da20',
    '6d958c20870d401a3c1f7a0ac092c97774d451c09f7aae992a8841ff0ab9d60db876831b4ecd7242963b040aa45c4114',
  ],
  [
    '408 and 160',
    '24501ad384e473963d476edcfe08205237acfd49b5b8f33857f8114e863fec7f',
    '9ff18563b978ec281b3f2794',
    'adb5ec720ccf9898500028bf34afccbcaca126ef',
    '27f348f9cdc0c5bd5e66b1ccb63ad920ff2219d14e8d631b3872265cf117ee86757accb158bd9abb3868fdc0d0b074b5f01b2c',
    'eb7cb754c824e8d96f7c6d9b76c7d26fb874ffbf1d65c6f64a698d839b0b06145dae82057ad55994cf59ad7f67c0fa5e85fab8bc95c532fecc594c36d1550286a7a3f0',
  ],
]

/** NIST CAVP, gcmDecrypt256.rsp: cases marked FAIL, likewise. */
const CAVP_FAIL = [
  [
    '0 and 0, count 1',
    'e5a8123f2e2e007d4e379ba114a2fb66e6613f57c72d4e4f024964053028a831',
    '51e43385bf533e168427e1ad',
    '',
    '38fe845c66e66bdd884c2aecafd280e6',
  ],
  [
    '128 and 0, count 2',
    'c997768e2d14e3d38259667a6649079de77beb4543589771e5068e6cd7cd0b14',
    '835090aed9552dbdd45277e2',
    '',
    '9f6607d68e22ccf21928db0986be126ef32617f67c574fd9f44ef76ff880ab9f',
  ],
  [
    '128 and 128, count 2',
    '9a0343f850a6427120f764789ffec6d237447b898fbf51d2182f065d3861497d',
    '3deef6f453dd70d92143adcd',
    'dbb8226a624520863db6897017b2a4f8',
    'e93165935ac18e3a2845d15fe31a9286f5fc50d18766bc3d9e16dd136d45816b',
  ],
  [
    '408 and 160, count 0',
    'e9d381a9c413bee66175d5586a189836e5c20f5583535ab4d3f3e612dc21700e',
    '23e81571da1c7821c681c7ca',
    '6f39c9ae7b8e8a58a95f0dd8ea6a9087cbccdfd6',
    'a25f3f580306cd5065d22a6b7e9660110af7204bb77d370f7f34bee547feeff7b32a596fce29c9040e68b1589aad48da8819905b6dcd70eefb0892fab1539298b92a4b',
  ],
]

const SUNSCREEN =
  "Ladies and Gentlemen of the class of '99: If I could offer you only one tip for the future, sunscreen would be it."
const DRAFTS =
  'Internet-Drafts are draft documents valid for a maximum of six months and may be updated, replaced, or obsoleted by other documents at any time. It is inappropriate to use Internet-Drafts as reference material or to cite them other than as /“work in progress./”'
const RFC_8439 = [
  [
    'section 2.8.2',
    '808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9f',
    '070000004041424344454647',
    '50515253c0c1c2c3c4c5c6c7',
    hex(Buffer.from(SUNSCREEN)),
    'd31a8d34648e60db7b86afbc53ef7ec2a4aded51296e08fea9e2b5a736ee62d63dbea45e8ca9671282fafb69da92728b1a71de0a9e060b2905d6a5b67ecd3b3692ddbd7f2d778b8c9803aee328091b58fab324e4fad675945585808b4831d7bc3ff4def08e4b7a9de576d26586cec64b61161ae10b594f09e26a7e902ecbd0600691',
  ],
  [
    'appendix A.5',
    '1c9240a5eb55d38af333888604f6b5f0473917c1402b80099dca5cbc207075c0',
    '000000000102030405060708',
    'f33388860000000000004e91',
    hex(Buffer.from(DRAFTS)),
    '64a0861575861af460f062c79be643bd5e805cfd345cf389f108670ac76c8cb24c6cfc18755d43eea09ee94e382d26b0bdb7b73c321b0100d4f03b7f355894cf332f830e710b97ce98c8a84abd0b948114ad176e008d33bd60f982b1ff37c8559797a06ef4f0ef61c186324e2b3506383606907b6a7c02b0f9f6157b53c867e4b9166c767b804d46a59b5216cde7a4e99040c5a40433225ee282a1b0a06c523eaf4534d7f83fa1155b0047718cbc546a0d072b04b3564eea1b422273f548271a0bb2316053fa76991955ebd63159434ecebb4e466dae5a1073a6727627097a1049e617d91d361094fa68f0ff77987130305beaba2eda04df997b714d6c6f2c29a6ad5cb4022b02709beead9d67890cbb22392336fea1851f38',
  ],
]

const sealed = (comment, flags, suite, key, nonce, aad, plaintext, printed) => {
  const box = aead(suite, key, nonce, aad, plaintext)
  if (printed) asPrinted(comment, box, printed)
  return valid(comment, flags, { key, nonce, aad, plaintext }, { sealed: box })
}

const publishedSeals = (name, flag, suite, cases) =>
  cases.map(([place, key, nonce, aad, plaintext, printed]) =>
    sealed(`${name} ${place}`, [flag], suite, unhex(key), unhex(nonce), unhex(aad), unhex(plaintext), printed),
  )

/** The additional data of USMP has 10 bytes: an interface that takes no other length runs those. */
const AAD_LENGTHS = [0, 1, 10, 12, 13, 15, 16, 17, 20, 32, 48]
const TEXT_LENGTHS = [0, 1, 15, 16, 17, 32, 63, 64, 65, 452]

function ownSeals(suite) {
  const [key, nonce] = [bytesFrom(`primitives/${suite}/key`, 32), bytesFrom(`primitives/${suite}/nonce`, 12)]
  const aadOf = (length) => bytesFrom(`primitives/${suite}/aad`, length)
  const textOf = (length) => bytesFrom(`primitives/${suite}/text`, length)
  return [
    ...AAD_LENGTHS.map((length) =>
      sealed(`additional data of ${length} bytes`, ['AAD_LENGTH'], suite, key, nonce, aadOf(length), textOf(33)),
    ),
    ...TEXT_LENGTHS.map((length) =>
      sealed(`plaintext of ${length} bytes`, ['TEXT_LENGTH'], suite, key, nonce, aadOf(10), textOf(length)),
    ),
    sealed('a nonce of ones', ['NONCE'], suite, key, repeat(0xff, 12), aadOf(10), textOf(33)),
    sealed('a key of zeros', ['KEY'], suite, repeat(0, 32), nonce, aadOf(10), textOf(33)),
  ]
}

/** Whether OpenSSL takes it. */
function opens(suite, key, nonce, aad, box) {
  const decipher = createDecipheriv(suite === AES ? 'aes-256-gcm' : 'chacha20-poly1305', key, nonce, {
    authTagLength: 16,
  })
  decipher.setAAD(aad, { plaintextLength: box.length - 16 })
  decipher.setAuthTag(box.subarray(-16))
  decipher.update(box.subarray(0, -16))
  try {
    decipher.final()
    return true
  } catch {
    return false
  }
}

function refused(comment, flags, suite, key, nonce, aad, box) {
  if (opens(suite, key, nonce, aad, box)) throw new Error(`${comment}: it opens`)
  return invalid('DECRYPT_FAILED', comment, flags, { key, nonce, aad, sealed: box })
}

function ownRefusals(suite) {
  const name = `primitives/${suite}`
  const [key, nonce, aad] = [bytesFrom(`${name}/key`, 32), bytesFrom(`${name}/nonce`, 12), bytesFrom(`${name}/aad`, 10)]
  const text = bytesFrom(`${name}/text`, 33)
  const box = aead(suite, key, nonce, aad, text)
  const no = (comment, flag, changed) => {
    const given = { key, nonce, aad, box, ...changed }
    return refused(comment, [flag], suite, given.key, given.nonce, given.aad, given.box)
  }
  const withTag = (tag) => concat(box.subarray(0, -16), tag)
  return [
    ...Array.from({ length: 16 }, (_, index) =>
      no(`a bit of byte ${index} of the tag`, 'TAG', { box: flip(box, index - 16, index % 8) }),
    ),
    no('a tag of zeros', 'TAG', { box: withTag(repeat(0, 16)) }),
    no('a tag of ones', 'TAG', { box: withTag(repeat(0xff, 16)) }),
    no('every bit of the tag turned', 'TAG', { box: withTag(box.subarray(-16).map((byte) => byte ^ 0xff)) }),
    no('the first bit of the ciphertext', 'CIPHERTEXT', { box: flip(box, 0) }),
    no('the last bit of the ciphertext', 'CIPHERTEXT', { box: flip(box, -17, 7) }),
    no('a byte of the ciphertext left out', 'CIPHERTEXT', { box: concat(box.subarray(0, 32), box.subarray(33)) }),
    no('a byte of zero behind the ciphertext', 'CIPHERTEXT', {
      box: concat(box.subarray(0, 33), [0], box.subarray(33)),
    }),
    no('no ciphertext', 'CIPHERTEXT', { box: box.subarray(33) }),
    no('the first bit of the additional data', 'AAD', { aad: flip(aad, 0) }),
    no('the last bit of the additional data', 'AAD', { aad: flip(aad, -1, 7) }),
    no('a byte of zero behind the additional data', 'AAD', { aad: concat(aad, [0]) }),
    no('no additional data', 'AAD', { aad: Buffer.alloc(0) }),
    no('the first bit of the nonce', 'NONCE', { nonce: flip(nonce, 0) }),
    no('the last bit of the nonce', 'NONCE', { nonce: flip(nonce, -1, 7) }),
    no('the first bit of the key', 'KEY', { key: flip(key, 0) }),
    no('the last bit of the key', 'KEY', { key: flip(key, -1, 7) }),
    no('what the other suite sealed', 'OTHER_SUITE', {
      box: aead(suite === AES ? CHACHA : AES, key, nonce, aad, text),
    }),
  ]
}

export default function () {
  return topic({
    topic: 'primitives',
    source: 'spec 0.4',
    notes: {
      RFC_7748: 'Printed in RFC 7748.',
      NON_CANONICAL:
        'Coordinates not below p are reduced, not refused. With those of key-schedule these are all of them. Catches arithmetic that is right for numbers below p only.',
      LOW_ORDER: 'The result would be all zero, whatever the private key: refused.',
      ITERATED:
        'Printed in RFC 7748. Begin with private and peer_public; `iterations` times: the result becomes the private key, and what was the private key becomes the peer key. Catches a carry that goes wrong once in a thousand numbers.',
      RFC_4231: 'Printed in RFC 4231.',
      KEY_LENGTH:
        'Keys around the 64 bytes of a block. Catches a limit on keys, and a library that refuses an empty one.',
      RFC_5869: 'Printed in RFC 5869.',
      LENGTHS: 'Outputs around the 32 bytes of a block; a salt over a block, and no info.',
      MCGREW:
        'Printed in The Galois/Counter Mode of Operation (GCM), D. McGrew and J. Viega, submission to NIST, appendix B.',
      CAVP: 'From the files of the Cryptographic Algorithm Validation Program of NIST for GCM, 256 bits of key.',
      RFC_8439: 'Printed in RFC 8439.',
      AAD_LENGTH:
        'Additional data around the 16 bytes of a block. USMP has 10; an interface that takes no other length leaves the others out.',
      TEXT_LENGTH: 'Plaintexts around the block sizes, up to the longest of a frame.',
      NONCE: 'Every byte of the nonce counts.',
      KEY: 'Every byte of the key counts.',
      TAG: 'The tag is compared over all of its 16 bytes.',
      CIPHERTEXT: 'Every byte of the ciphertext counts, and how many there are.',
      AAD: 'Every byte of the additional data counts, and how many there are.',
      OTHER_SUITE: 'The suites do not open what the other one sealed.',
    },
    groups: [
      { params: { op: 'x25519' }, tests: x25519Tests() },
      {
        params: { op: 'x25519_iterated' },
        tests: [
          iterated(1, '422c8e7a6227d7bca1350b3e2bb7279f7897b87bb6854b783c60e80311ae3079'),
          iterated(1000, '684cf59ba83309552800ef566f2f4d3c1c3887c49360e3875f2eb94d99532c51'),
        ],
      },
      { params: { op: 'hmac' }, tests: hmacTests() },
      { params: { op: 'hkdf' }, tests: hkdfTests() },
      {
        params: { op: 'aead', suite: AES },
        tests: [
          ...publishedSeals('GCM submission to NIST, appendix B, test case', 'MCGREW', AES, MCGREW),
          ...publishedSeals('NIST CAVP, gcmEncryptExtIV256.rsp, bits', 'CAVP', AES, CAVP_SEAL),
          ...ownSeals(AES),
        ],
      },
      {
        params: { op: 'aead', suite: CHACHA },
        tests: [...publishedSeals('RFC 8439,', 'RFC_8439', CHACHA, RFC_8439), ...ownSeals(CHACHA)],
      },
      {
        params: { op: 'aead_open', suite: AES },
        tests: [
          ...CAVP_FAIL.map(([place, key, nonce, aad, box]) =>
            refused(
              `NIST CAVP, gcmDecrypt256.rsp, bits ${place}`,
              ['CAVP'],
              AES,
              unhex(key),
              unhex(nonce),
              unhex(aad),
              unhex(box),
            ),
          ),
          ...ownRefusals(AES),
        ],
      },
      { params: { op: 'aead_open', suite: CHACHA }, tests: ownRefusals(CHACHA) },
    ],
  })
}
