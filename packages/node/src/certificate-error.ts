import { UsmpError } from '@usmp/core'

const TRUST =
  'If it is yours, name it or its authority as trusted: option `ca`, or `--ca FILE` of the command. If not, somebody may sit between you and the server.'
const CLOCK = 'Let the server renew it. Is the clock of this machine right?'

/** The codes of Node and OpenSSL for a certificate that was not accepted: what is wrong with it, and what to do. */
const FAULTS: Readonly<Record<string, readonly [fault: string, hint: string]>> = {
  DEPTH_ZERO_SELF_SIGNED_CERT: ['it is self-signed', TRUST],
  SELF_SIGNED_CERT_IN_CHAIN: ['its authority is self-signed and not trusted here', TRUST],
  UNABLE_TO_GET_ISSUER_CERT: ['its authority is not known here', TRUST],
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: ['its authority is not known here', TRUST],
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: ['its authority is not known here', TRUST],
  CERT_UNTRUSTED: ['it is not trusted here', TRUST],
  CERT_REJECTED: ['it is not trusted here', TRUST],
  CERT_SIGNATURE_FAILURE: ['its signature is wrong', TRUST],
  INVALID_CA: ['its issuer is no authority', TRUST],
  INVALID_PURPOSE: ['it is not made for a server', 'The server needs another certificate.'],
  CERT_REVOKED: ['it is revoked', 'The server needs another certificate.'],
  CERT_HAS_EXPIRED: ['it has expired', CLOCK],
  CERT_NOT_YET_VALID: ['it is not valid yet', CLOCK],
  ERR_TLS_CERT_ALTNAME_INVALID: [
    'it is for another host',
    'Connect by a name that is in the certificate, or give the server one for this name.',
  ],
  ERR_USMP_PIN: [
    'its key is not the pinned one',
    'Ask its owner whether the server has a new key, and what its pin is. If not, somebody may sit between you and the server.',
  ],
}

/** The error for a TLS connection that failed because of the server's certificate; undefined if that was not why. */
export function certificateError(url: URL, cause: unknown): UsmpError | undefined {
  const fault = FAULTS[(cause as NodeJS.ErrnoException).code ?? '']
  return fault && new UsmpError('UNTRUSTED_CERTIFICATE', `${url}: ${fault[0]}`, { cause, hint: fault[1] })
}

/** TLS alerts with which a server refuses the certificate of a client, or that there is none (RFC 8446, section 6.2). */
const REFUSALS_OF_CLIENTS = /alert (?:certificate required|handshake failure|bad certificate|unknown ca)/

/** What to do about a TLS connection that the server has refused because of this client's certificate; undefined if that was not why. */
export function clientCertificateHint(cause: unknown): string | undefined {
  if (!REFUSALS_OF_CLIENTS.test((cause as Error).message)) return undefined
  return 'The server wants a certificate of this client that it knows: options `cert` and `key`, or `--cert` and `--key` of the command.'
}
