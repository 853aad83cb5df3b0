import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { onTestFinished } from 'vitest'

/** What happens to one datagram, or to one piece of a stream. */
export interface Fault {
  readonly towards: 'hub' | 'robot'
  /** Which one, counted from 0 since the faults were set, for each direction. */
  readonly at: number
  /** `lose` and `repeat` are for datagrams only. `delay`: others overtake a datagram, and wait behind a piece of a stream. */
  readonly what: 'lose' | 'repeat' | 'delay'
  /** How late it comes, and how much later once more, ms. */
  readonly ms: number
}

/** Somebody on the path who hands everything on and keeps a copy. */
export interface Relay {
  readonly port: number
  /** All that passed, in both directions. */
  captured(): Buffer
  /** From now on this happens on the path, and none of what was set before. */
  disturb(faults: readonly Fault[]): void
}

/** Which fault meets what comes next. */
class Weather {
  #faults: readonly Fault[] = []
  #passed = { hub: 0, robot: 0 }

  set(faults: readonly Fault[]): void {
    this.#faults = faults
    this.#passed = { hub: 0, robot: 0 }
  }

  next(towards: Fault['towards']): Fault | undefined {
    const at = this.#passed[towards]++
    return this.#faults.find((fault) => fault.towards === towards && fault.at === at)
  }
}

/** A relay in front of a TCP port of this machine. */
export async function tcpRelay(port: number): Promise<Relay> {
  const chunks: Buffer[] = []
  const weather = new Weather()
  const sockets = new Set<Socket>()
  const server = createServer((near) => {
    const far = connect(port, '127.0.0.1')
    for (const [from, to, towards] of [
      [near, far, 'hub'],
      [far, near, 'robot'],
    ] as const) {
      sockets.add(from)
      // In order, whatever one of them waits for.
      let before: Promise<unknown> = Promise.resolve()
      from.on('data', (chunk: Buffer) => {
        chunks.push(chunk)
        const late = weather.next(towards)?.ms
        before = before
          .then(() => late && new Promise((resolve) => setTimeout(resolve, late)))
          .then(() => to.writable && to.write(chunk))
      })
      from.on('end', () => void before.then(() => to.end()))
      from.on('error', () => to.destroy())
      from.on('close', () => sockets.delete(from))
    }
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => {
    server.close()
    for (const socket of sockets) socket.destroy()
  })
  return {
    port: (server.address() as AddressInfo).port,
    captured: () => Buffer.concat(chunks),
    disturb: (faults) => weather.set(faults),
  }
}

/** A relay for one client in front of a UDP port of this machine. */
export async function udpRelay(port: number): Promise<Relay> {
  const chunks: Buffer[] = []
  const weather = new Weather()
  const [near, far] = [createSocket('udp4'), createSocket('udp4')]
  let client: { port: number; address: string } | undefined
  let open = true
  const pass = (towards: Fault['towards'], data: Buffer, send: () => void) => {
    chunks.push(data)
    const fault = weather.next(towards)
    if (fault?.what !== 'lose' && fault?.what !== 'delay') send()
    if (fault && fault.what !== 'lose') setTimeout(() => open && send(), fault.ms)
  }
  near.on('message', (data, from) => {
    client = from
    pass('hub', data, () => far.send(data, port, '127.0.0.1'))
  })
  far.on('message', (data) => {
    pass('robot', data, () => client && near.send(data, client.port, client.address))
  })
  near.bind(0, '127.0.0.1')
  await once(near, 'listening')
  onTestFinished(() => {
    open = false
    near.close()
    far.close()
  })
  return {
    port: near.address().port,
    captured: () => Buffer.concat(chunks),
    disturb: (faults) => weather.set(faults),
  }
}
