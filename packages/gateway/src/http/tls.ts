import { createPrivateKey, X509Certificate } from 'node:crypto'
import { readFile, writeFile } from 'node:fs/promises'
import { isIP } from 'node:net'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { generate } from 'selfsigned'

/** A certificate with its private key, both PEM. */
export interface Certificate {
  readonly cert: string
  readonly key: string
}

const CERT_FILE = 'https-cert.pem'
const KEY_FILE = 'https-key.pem'
const DAY = 24 * 3600_000
/** Browsers of Apple refuse a certificate that is valid for longer. */
const VALID_DAYS = 825
/** A new one is made so long before the old one ends, days. */
const RENEW_DAYS = 30

/** SHA-256 of a certificate, as browsers show it. */
export const certificateFingerprint = (cert: string): string => new X509Certificate(cert).fingerprint256

/**
 * The certificate that the gateway has signed by itself, from `folder`; made if there is none, or if it ends soon.
 * @param host where the server listens
 * @param now ms since 1970
 */
export async function selfSignedCertificate(folder: string, host: string, now: number): Promise<Certificate> {
  const old = await readPair(folder)
  if (old && Date.parse(new X509Certificate(old.cert).validTo) - now > RENEW_DAYS * DAY) return old
  const names = ['localhost', hostname(), ...(isIP(host) ? [] : [host])]
  const addresses = ['127.0.0.1', '::1', ...(isIP(host) ? [host] : [])]
  const { cert, private: key } = await generate([{ name: 'commonName', value: 'USMP gateway' }], {
    keyType: 'ec',
    algorithm: 'sha256',
    notBeforeDate: new Date(now - DAY),
    notAfterDate: new Date(now + (VALID_DAYS - 1) * DAY),
    extensions: [
      { name: 'basicConstraints', cA: false, critical: true },
      { name: 'keyUsage', digitalSignature: true, critical: true },
      { name: 'extKeyUsage', serverAuth: true },
      {
        name: 'subjectAltName',
        altNames: [
          ...[...new Set(names)].map((value) => ({ type: 2 as const, value })),
          ...[...new Set(addresses)].map((ip) => ({ type: 7 as const, ip })),
        ],
      },
    ],
  })
  // The key first: a certificate without its key would be taken for whole.
  await writeFile(join(folder, KEY_FILE), key, { mode: 0o600 })
  await writeFile(join(folder, CERT_FILE), cert)
  return { cert, key }
}

/** Null if a file is missing, damaged, or does not belong to the other. */
async function readPair(folder: string): Promise<Certificate | null> {
  try {
    const [cert, key] = await Promise.all([CERT_FILE, KEY_FILE].map((name) => readFile(join(folder, name), 'utf8')))
    return new X509Certificate(cert!).checkPrivateKey(createPrivateKey(key!)) ? { cert: cert!, key: key! } : null
  } catch {
    return null
  }
}
