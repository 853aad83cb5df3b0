import { generate } from 'selfsigned'

const made = await generate([{ name: 'commonName', value: 'usmp bench' }], {
  keyType: 'ec',
  extensions: [{ name: 'subjectAltName', altNames: [{ type: 7, ip: '127.0.0.1' }] }],
})

/** A P-256 key and a certificate for 127.0.0.1, signed by itself, in PEM. */
export const certificate = { key: made.private, cert: made.cert }
