import { expect, test } from 'vitest'
import { certificateError } from '../src/certificate-error.ts'

const url = new URL('wss://gateway.example/usmp')

test.each([
  ['DEPTH_ZERO_SELF_SIGNED_CERT', 'it is self-signed', '--ca FILE'],
  ['UNABLE_TO_VERIFY_LEAF_SIGNATURE', 'its authority is not known here', '--ca FILE'],
  ['CERT_HAS_EXPIRED', 'it has expired', 'clock'],
  ['ERR_TLS_CERT_ALTNAME_INVALID', 'it is for another host', 'name'],
])('a certificate that is not accepted is called what it is: %s', (code, fault, hint) => {
  const cause = Object.assign(new Error('from Node'), { code })
  expect(certificateError(url, cause)).toMatchObject({
    code: 'UNTRUSTED_CERTIFICATE',
    retryable: false,
    message: expect.stringContaining(`wss://gateway.example/usmp: ${fault}`),
    hint: expect.stringContaining(hint),
    cause,
  })
})

test.each([['ECONNREFUSED'], [undefined]])('what has nothing to do with a certificate is none of it: %s', (code) => {
  expect(certificateError(url, Object.assign(new Error('no'), { code }))).toBeUndefined()
})
