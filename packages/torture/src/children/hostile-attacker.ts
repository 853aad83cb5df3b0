// The attackers of one attack, in a process of their own.
import { setMaxListeners } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { attacks } from '../hostile/attacks/index.js'
import type { Counts, Ports } from '../hostile/attacks/test-target.js'
import type { Sent } from '../hostile/results.js'
import { serveCommands } from './control-channel.js'

process.on('uncaughtException', (error: NodeJS.ErrnoException) => {
  // Sockets that an attacker has lost sight of; everything else is a fault of this program.
  if (!error.syscall) throw error
})

const sent: Counts = { connections: 0, packets: 0 }
const end = new AbortController()
setMaxListeners(0, end.signal)
await serveCommands({
  /** Resolves when the attack has begun; it goes on until this process is ended. */
  async begin({ attack, ...ports }: { attack: string } & Ports): Promise<void> {
    const { run } = attacks.find(({ name }) => name === attack)!
    const running = run({ ...ports, sent, signal: end.signal })
    const begun = async () => {
      while (sent.connections + sent.packets === 0) await sleep(10)
    }
    await Promise.race([running, begun()])
  },
  sent: (): Sent => sent,
})
