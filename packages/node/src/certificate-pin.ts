import { createHash, timingSafeEqual, X509Certificate } from 'node:crypto'
import type { TLSSocket } from 'node:tls'
import { UsmpError } from '@usmp/core'

const PIN = /^[0-9a-f]{64}$/i

/**
 * The pin of a certificate: the SHA-256 of its SubjectPublicKeyInfo (RFC 7469, section 2.4), 64 hex digits. It stays the same when
 * the certificate is renewed with the same key.
 * @param certificate PEM; of several the first
 * @throws Error of Node if it is none
 */
export function certificatePin(certificate: string | Uint8Array): string {
  return pinOf(new X509Certificate(certificate)).toString('hex')
}

function pinOf({ publicKey }: X509Certificate): Buffer {
  return createHash('sha256')
    .update(publicKey.export({ type: 'spki', format: 'der' }))
    .digest()
}

/** @throws UsmpError INVALID_ARGUMENT */
export function assertPin(pin: string): void {
  if (PIN.test(pin)) return
  throw new UsmpError('INVALID_ARGUMENT', 'a pin is a SHA-256: 64 hex digits')
}

/** Ends a connection whose server does not hold the pinned key, before anything is sent on it. */
export function checkPin(socket: TLSSocket, pin: string): void {
  const certificate = socket.getPeerX509Certificate()
  const found = certificate && pinOf(certificate)
  if (found && timingSafeEqual(found, Buffer.from(pin, 'hex'))) return
  socket.destroy(new PinError(found?.toString('hex')))
}

/** The server has another key than the pinned one. */
class PinError extends Error {
  override readonly name = 'PinError'
  readonly code = 'ERR_USMP_PIN'

  constructor(found: string | undefined) {
    super(`the key of the server has the pin ${found}`)
  }
}
