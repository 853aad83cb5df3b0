// Many devices in one process. Usage: load-clients.js tcp|udp PORT FIRST-DEVICE
import type { Session } from '@usmp/core'
import { connectDevice } from '../fleet.js'
import { serveCommands } from './control-channel.js'

const [kind, port, first] = [process.argv[2] as 'tcp' | 'udp', Number(process.argv[3]), Number(process.argv[4])]

interface Device {
  readonly session: Session
  sent: number
}
let devices: Device[] = []
const failures: Record<string, number> = {}

function fail(error: unknown): void {
  const code = (error as { code?: string }).code ?? String(error)
  failures[code] = (failures[code] ?? 0) + 1
}

/** Calls `work` for 0 to `count`, some at once. */
async function several(count: number, atOnce: number, work: (n: number) => Promise<void>): Promise<void> {
  let next = 0
  const worker = async () => {
    while (next < count) await work(next++).catch(fail)
  }
  await Promise.all(Array.from({ length: atOnce }, worker))
}

await serveCommands({
  /** Opens sessions that stay; ms that it took. */
  async open(count: number, atOnce: number) {
    const begin = performance.now()
    await several(count, atOnce, async (n) => {
      const session = await connectDevice(kind, port, first + n)
      devices.push({ session, sent: 0 })
      void session.receive().catch(() => {})
    })
    return performance.now() - begin
  },
  /** Opens and closes sessions, one after the other; ms that it took. */
  async handshakes(count: number, atOnce: number) {
    const begin = performance.now()
    await several(count, atOnce, async (n) => {
      const session = await connectDevice(kind, port, first + n)
      await session.close()
    })
    return performance.now() - begin
  },
  /** A message a second from every device, evenly spread; how many were sent. */
  async talk(seconds: number) {
    const begin = performance.now()
    const most = devices.length * seconds
    let sent = 0
    while (sent < most) {
      const due = Math.min(most, ((performance.now() - begin) / 1000) * devices.length)
      for (; sent < due; sent++) {
        const device = devices[sent % devices.length]!
        const message = new Uint8Array(64)
        new DataView(message.buffer).setUint32(0, device.sent++)
        // Not waited for: a session that is held up must not hold up the others.
        device.session.send(message).catch(fail)
      }
      await new Promise((resolve) => setTimeout(resolve, 10))
    }
    return sent
  },
  counts: () => ({ sessions: devices.filter(({ session }) => !session.signal.aborted).length, failures }),
  async close() {
    await several(devices.length, 64, (n) => devices[n]!.session.close())
    devices = []
  },
})
