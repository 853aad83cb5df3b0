// What is left of secrets in the memory of this process when a session is over.
import { closeSync, openSync, readFileSync, readSync } from 'node:fs'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { CipherSuite, type CryptoProvider } from '@usmp/core'
import { expect, test } from 'vitest'
import { nodeProvider, nodeRandom, prepareSuite } from '../src/crypto-node.ts'
import { connect, listen } from '../src/index.ts'

setFlagsFromString('--expose-gc')
const collectGarbage = runInNewContext('gc') as (options?: object) => void

const CHUNK = 1024 * 1024

/** A secret as something that a search of the memory does not find: turned bit by bit. */
function hide(secret: Uint8Array): Uint8Array {
  const hidden = new Uint8Array(new ArrayBuffer(secret.length))
  for (let i = 0; i < secret.length; i++) hidden[i] = ~secret[i]!
  return hidden
}

/** How often each hidden secret stands in the memory of this process. */
function copiesInMemory(hidden: readonly Uint8Array[]): number[] {
  const counts = hidden.map(() => 0)
  const buffer = Buffer.alloc(CHUNK + 64)
  const memory = openSync('/proc/self/mem', 'r')
  try {
    for (const line of readFileSync('/proc/self/maps', 'utf8').split('\n')) {
      const [, from, to] = /^([0-9a-f]+)-([0-9a-f]+) rw/.exec(line) ?? []
      if (!from || !to || /\[(vvar|vdso|vsyscall)/.test(line)) continue
      for (let at = BigInt(`0x${from}`); at < BigInt(`0x${to}`); at += BigInt(CHUNK)) {
        // Nothing of the piece before, which would be found again when this very buffer is read.
        buffer.fill(0)
        const size = Math.min(buffer.length, Number(BigInt(`0x${to}`) - at))
        let read = 0
        try {
          read = readSync(memory, buffer, 0, size, at)
        } catch {
          // Mapped, and never used.
        }
        hidden.forEach((secret, index) => {
          counts[index]! += occurrences(buffer, Math.min(read, CHUNK + secret.length - 1), secret)
        })
      }
    }
  } finally {
    closeSync(memory)
    buffer.fill(0)
  }
  return counts
}

function occurrences(buffer: Buffer, end: number, hidden: Uint8Array): number {
  let count = 0
  const first = ~hidden[0]! & 0xff
  for (let at = buffer.indexOf(first); at >= 0 && at + hidden.length <= end; at = buffer.indexOf(first, at + 1)) {
    let same = 1
    while (same < hidden.length && buffer[at + same] === (~hidden[same]! & 0xff)) same++
    if (same === hidden.length) count++
  }
  return count
}

test.skipIf(process.platform !== 'linux').each([CipherSuite.AES_256_GCM, CipherSuite.CHACHA20_POLY1305])(
  'keys that were wiped are nowhere in the memory, not even where the garbage collector has moved them from, suite %i',
  async (suite) => {
    await prepareSuite(suite)
    const psk = new Uint8Array(new ArrayBuffer(32))
    psk.set(nodeRandom(32))
    const hidden = [hide(psk)]
    const provider: CryptoProvider = {
      ...nodeProvider,
      aead(suite, key) {
        if (hidden.length < 3) hidden.push(hide(key))
        return nodeProvider.aead(suite, key)
      },
    }
    const server = await listen({ tcp: { host: '127.0.0.1', port: 0 }, psk: () => psk, suite, provider })
    const device = { deviceId: '02:00:00:00:00:01', psk, suite, provider }
    const client = await connect(`usmp://${server.address}`, device)
    // Twice moves what is young in V8's heap; what is left behind stays as it was.
    for (let i = 0; i < 4; i++) collectGarbage({ type: 'minor' })
    await client.send('hello')
    await client.rekey()
    expect(copiesInMemory(hidden)[0], 'the search finds the key of the caller').toBeGreaterThan(0)
    await client.close()
    await server.close()
    psk.fill(0)
    expect(hidden).toHaveLength(3)
    expect(copiesInMemory(hidden)).toEqual([0, 0, 0])
  },
)
