import { createHash, type X509Certificate } from 'node:crypto'
import { createServer, type Server } from 'node:https'
import type { Socket } from 'node:net'
import type { TLSSocket } from 'node:tls'
import { RelayError } from './relay-error.js'

/** TLS of the relay. */
export interface RelayTls {
  /** PEM; the certificate, then those above it. */
  readonly cert: string | Uint8Array
  /** PEM, without a passphrase. */
  readonly key: string | Uint8Array
  /** Peers need a certificate of one of these authorities, PEM. */
  readonly clientCa?: string | Uint8Array
  /** Peers need a certificate with one of these keys: SHA-256 of its SubjectPublicKeyInfo, 64 hex digits each. With `clientCa` both are asked for. */
  readonly clientPins?: readonly string[]
}

/**
 * An HTTPS server with these certificates.
 * @throws RelayError INVALID_ARGUMENT if they cannot be used
 */
export function createTlsServer({ cert, key, clientCa, clientPins }: RelayTls, options: object): Server {
  const asksForCertificate = clientCa !== undefined || clientPins !== undefined
  try {
    return createServer({
      ...options,
      cert: Buffer.from(cert),
      key: Buffer.from(key),
      ...(clientCa === undefined ? {} : { ca: Buffer.from(clientCa) }),
      requestCert: asksForCertificate,
      // With pins alone a certificate needs no authority.
      rejectUnauthorized: clientCa !== undefined,
      minVersion: 'TLSv1.2',
    })
  } catch (cause) {
    throw new RelayError(
      'INVALID_ARGUMENT',
      `TLS cannot use these certificates: ${(cause as Error).message}`,
      'They are PEM, and the key is without a passphrase and belongs to the certificate.',
      cause,
    )
  }
}

/** Whether the certificate of the peer is one of those that are pinned. */
export class ClientPins {
  readonly #pins: ReadonlySet<string>

  /** @throws RelayError INVALID_ARGUMENT */
  constructor(pins: readonly string[]) {
    for (const pin of pins) {
      if (/^[0-9a-f]{64}$/i.test(pin)) continue
      const hint = 'A pin is the SHA-256 of the SubjectPublicKeyInfo of a certificate, as 64 hex digits.'
      throw new RelayError('INVALID_ARGUMENT', `"${pin}" is no pin`, hint)
    }
    this.#pins = new Set(pins.map((pin) => pin.toLowerCase()))
  }

  accepts(socket: Socket): boolean {
    const certificate = (socket as TLSSocket).getPeerX509Certificate?.()
    return certificate !== undefined && this.#pins.has(pinOf(certificate))
  }
}

/** SHA-256 of the SubjectPublicKeyInfo, in hex. */
function pinOf({ publicKey }: X509Certificate): string {
  return createHash('sha256')
    .update(publicKey.export({ type: 'spki', format: 'der' }))
    .digest('hex')
}
