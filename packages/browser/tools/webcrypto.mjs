// Measures in Chromium what WebCrypto would save: the primitives of a handshake and of a frame, by noble and by WebCrypto.
//   node packages/browser/tools/webcrypto.mjs
import { execFileSync } from 'node:child_process'
import { createServer } from 'node:http'
import { build } from 'esbuild'
import { chromium } from 'playwright-core'

const measure = `
  import { nobleProvider as noble } from '@usmp/core'
  const random = (length) => crypto.getRandomValues(new Uint8Array(length))
  const { subtle } = crypto

  /** Median µs of a call, over blocks, as the clock of pages is coarse. */
  async function median(calls, action) {
    const blocks = []
    for (let block = 0; block < 15; block++) {
      const begin = performance.now()
      for (let i = 0; i < calls; i++) await action()
      blocks.push(((performance.now() - begin) * 1000) / calls)
    }
    return Math.round(blocks.sort((a, b) => a - b)[7] * 10) / 10
  }

  globalThis.results = (async () => {
    const peer = noble.generateKeyPair(random)
    const own = noble.generateKeyPair(random)
    const [k32, m130, nonce, aad, p452] = [random(32), random(130), random(12), random(10), random(452)]
    const out = new Uint8Array(468)
    const ecPair = await subtle.generateKey({ name: 'X25519' }, false, ['deriveBits'])
    const hmacKey = await subtle.importKey('raw', k32, { name: 'HMAC', hash: 'SHA-256' }, false, ['sign'])
    const aesKey = await subtle.importKey('raw', k32, 'AES-GCM', false, ['encrypt', 'decrypt'])
    const aes = noble.aead(1, k32)
    const chacha = noble.aead(2, k32)
    const sealed = new Uint8Array(await subtle.encrypt({ name: 'AES-GCM', iv: nonce, additionalData: aad }, aesKey, p452))
    return {
      'nothing, awaited': [await median(2000, () => {}), null],
      'X25519 key pair with raw public key': [
        await median(20, () => noble.generateKeyPair(random)),
        await median(50, async () => {
          const { publicKey } = await subtle.generateKey({ name: 'X25519' }, false, ['deriveBits'])
          return subtle.exportKey('raw', publicKey)
        }),
      ],
      'X25519 agreement with raw public key': [
        await median(20, () => own.agree(peer.publicKey)),
        await median(50, async () => {
          const publicKey = await subtle.importKey('raw', peer.publicKey, { name: 'X25519' }, false, [])
          return subtle.deriveBits({ name: 'X25519', public: publicKey }, ecPair.privateKey, 256)
        }),
      ],
      'HKDF, 64 bytes': [
        await median(200, () => noble.hkdfSha256(k32, k32, m130, 64)),
        await median(100, async () => {
          const key = await subtle.importKey('raw', k32, 'HKDF', false, ['deriveBits'])
          return subtle.deriveBits({ name: 'HKDF', hash: 'SHA-256', salt: k32, info: m130 }, key, 512)
        }),
      ],
      'HMAC, 130 bytes, key at hand': [
        await median(200, () => noble.hmacSha256(k32, m130)),
        await median(200, () => subtle.sign('HMAC', hmacKey, m130)),
      ],
      'AES-256-GCM seal, 452 bytes': [
        await median(200, () => aes.seal(nonce, aad, p452, out)),
        await median(200, () => subtle.encrypt({ name: 'AES-GCM', iv: nonce, additionalData: aad }, aesKey, p452)),
      ],
      'AES-256-GCM open, 452 bytes': [
        await median(200, () => aes.open(nonce, aad, sealed)),
        await median(200, () => subtle.decrypt({ name: 'AES-GCM', iv: nonce, additionalData: aad }, aesKey, sealed)),
      ],
      'ChaCha20-Poly1305 seal, 452 bytes': [await median(200, () => chacha.seal(nonce, aad, p452, out)), null],
    }
  })()
`
const { outputFiles } = await build({
  stdin: { contents: measure, resolveDir: import.meta.dirname },
  bundle: true,
  format: 'iife',
  write: false,
})
const server = createServer((_, response) => {
  response.setHeader('Content-Type', 'text/html')
  response.end('<!doctype html><title>measure</title>')
}).listen(0, '127.0.0.1')
const browser = await chromium.launch({
  executablePath: execFileSync('sh', ['-c', 'command -v chromium'], { encoding: 'utf8' }).trim(),
  args: ['--headless', '--no-sandbox', '--disable-gpu', '--disable-background-networking'],
})
const page = await browser.newPage()
await page.goto(`http://127.0.0.1:${server.address().port}/`)
await page.addScriptTag({ content: outputFiles[0].text })
const results = await page.evaluate(() => globalThis.results)
console.log(`Chromium ${browser.version()}\n\n| median µs a call | noble | WebCrypto |\n|---|---|---|`)
for (const [name, [ours, theirs]] of Object.entries(results)) console.log(`| ${name} | ${ours} | ${theirs ?? '–'} |`)
await browser.close()
server.close()
