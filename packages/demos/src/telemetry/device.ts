// A device: connects, and sends what it measures ten times a second, for as long as it runs.
// Usage: node device.js HOST PORT DEVICE_ID PSK_FILE
import { readFileSync } from 'node:fs'
import { setTimeout } from 'node:timers/promises'
import { fromHex } from '@usmp/core'
import { type Session, sessions } from '@usmp/node'
import { measure } from './reading.js'

const INTERVAL = 100

const [host, port, deviceId, pskFile] = process.argv.slice(2)
if (!host || !port || !deviceId || !pskFile) {
  console.error('usage: device HOST PORT DEVICE_ID PSK_FILE')
  process.exit(2)
}
const psk = fromHex(readFileSync(pskFile, 'utf8'))
const onRetry = (reason: Error, pause: number) => console.error(`device: ${reason.message}; again in ${pause} ms`)

const stop = new AbortController()
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => stop.abort())

for await (const session of sessions(`usmp://${host}:${port}`, { deviceId, psk, onRetry, signal: stop.signal })) {
  try {
    await report(session)
  } catch (error) {
    console.error(`device: ${(error as Error).message}`)
  }
}

async function report(session: Session): Promise<void> {
  const over = AbortSignal.any([session.signal, stop.signal])
  for (let n = 1; !over.aborted; n++) {
    // Telemetry is worth nothing when it is old: what the network does not take now is dropped.
    session.trySend(JSON.stringify(measure(n)))
    await setTimeout(INTERVAL, undefined, { signal: over }).catch(() => {})
  }
}
