import { X509Certificate } from 'node:crypto'
import { existsSync } from 'node:fs'
import { readFile, rm } from 'node:fs/promises'
import { isIP } from 'node:net'
import { join } from 'node:path'
import { writeSecret } from '../command.js'

/** Browsers take no certificate that is valid for longer, days. */
const VALIDITY = 397
const DAY = 86_400_000

export interface Certificate {
  /** Both in PEM. */
  readonly key: string
  readonly cert: string
  /** SHA-256 over the certificate, as browsers show it. */
  readonly fingerprint: string
}

/**
 * The certificate of a state folder, `tls-cert.pem` with its key in `tls-key.pem`. It is made, and signed by itself, where
 * there is none, where it has expired, or is for another host.
 */
export async function loadCertificate(folder: string, host: string, now = Date.now()): Promise<Certificate> {
  const [keyPath, certPath] = [join(folder, 'tls-key.pem'), join(folder, 'tls-cert.pem')]
  if (existsSync(keyPath) && existsSync(certPath)) {
    const [key, cert] = [await readFile(keyPath, 'utf8'), await readFile(certPath, 'utf8')]
    const facts = new X509Certificate(cert)
    if (Date.parse(facts.validTo) > now + DAY && isFor(facts, host)) {
      return { key, cert, fingerprint: facts.fingerprint256 }
    }
  }
  const { private: key, cert } = await make(host, now)
  await rm(keyPath, { force: true })
  await rm(certPath, { force: true })
  await writeSecret(keyPath, key)
  await writeSecret(certPath, cert)
  return { key, cert, fingerprint: new X509Certificate(cert).fingerprint256 }
}

function isFor(certificate: X509Certificate, host: string): boolean {
  return (isIP(host) ? certificate.checkIP(host) : certificate.checkHost(host)) !== undefined
}

async function make(host: string, now: number) {
  // On first use: it takes longer to load than all the rest.
  const { generate } = await import('selfsigned')
  const names = new Set(['localhost', '127.0.0.1', '::1', host])
  const altNames = [...names].map((name) =>
    isIP(name) ? ({ type: 7, ip: name } as const) : ({ type: 2, value: name } as const),
  )
  return generate([{ name: 'commonName', value: 'RoboLink hub' }], {
    keyType: 'ec',
    notBeforeDate: new Date(now - DAY),
    notAfterDate: new Date(now + VALIDITY * DAY),
    extensions: [
      { name: 'basicConstraints', cA: false },
      { name: 'keyUsage', digitalSignature: true },
      { name: 'extKeyUsage', serverAuth: true },
      { name: 'subjectAltName', altNames },
    ],
  })
}
