// What a page measures, as one script: the same over a bare WebSocket and over USMP.
import { type CipherSuite, connect } from '@usmp/browser'

/** Where the messages go; without a suite they go bare. */
export interface Target {
  readonly url: string
  readonly suite?: CipherSuite
  readonly psk: readonly number[]
}

/** An open connection to a server that sends back what it gets. */
interface Carrier {
  /** Sends messages that come back, with at most `window` of them under way. */
  echo(message: Uint8Array<ArrayBuffer>, count: number, window: number): Promise<void>
  close(): Promise<void>
}

/** Not counted, so that no connection waits for what the browser still does about the one before, ms. */
const BETWEEN_CONNECTIONS = 20

const kept = new Map<string, Promise<Carrier>>()

/** Connects and gets one byte echoed, `count` times one after another; the median of them, µs. */
async function visit(target: Target, count: number): Promise<number> {
  const times: number[] = []
  for (let i = 0; i < count; i++) {
    const start = performance.now()
    const carrier = await dial(target)
    await carrier.echo(new Uint8Array(1), 1, 1)
    times.push((performance.now() - start) * 1000)
    await carrier.close()
    await new Promise((resolve) => setTimeout(resolve, BETWEEN_CONNECTIONS))
  }
  times.sort((a, b) => a - b)
  return times[count >> 1]!
}

/** The mean µs of one of `count` messages on a connection that stays open. */
async function echo(target: Target, size: number, count: number, window: number): Promise<number> {
  const carrier = kept.get(target.url) ?? dial(target)
  kept.set(target.url, carrier)
  const { echo } = await carrier
  const message = new Uint8Array(size).fill(0x5a)
  const start = performance.now()
  await echo(message, count, window)
  return ((performance.now() - start) * 1000) / count
}

/** Closes what was kept open. */
async function leave(): Promise<void> {
  for (const carrier of kept.values()) await (await carrier).close()
}

const dial = (target: Target) => (target.suite ? dialSession(target) : dialBare(target.url))

async function dialSession({ url, suite, psk }: Target): Promise<Carrier> {
  const deviceId = crypto.getRandomValues(new Uint8Array(6))
  const session = await connect(url, { deviceId, psk: Uint8Array.from(psk), ...(suite && { suite }) })
  return {
    async echo(message, count, window) {
      let sent = 0
      for (; sent < Math.min(window, count); sent++) await session.send(message)
      for (let received = 0; received < count; received++) {
        if (!(await session.receive())) throw new Error('the server ended the session')
        if (sent++ < count) await session.send(message)
      }
    },
    close: () => session.close(),
  }
}

async function dialBare(url: string): Promise<Carrier> {
  const socket = new WebSocket(url)
  socket.binaryType = 'arraybuffer'
  await new Promise((resolve, reject) => {
    socket.onopen = resolve
    socket.onclose = () => reject(new Error(`${url} does not answer`))
  })
  return {
    echo: (message, count, window) =>
      new Promise((resolve, reject) => {
        let [sent, received] = [0, 0]
        const send = () => {
          for (; sent < count && sent - received < window; sent++) socket.send(message)
        }
        socket.onclose = () => reject(new Error('the server ended the connection'))
        socket.onmessage = () => (++received < count ? send() : resolve())
        send()
      }),
    close: () =>
      new Promise((resolve) => {
        socket.onclose = () => resolve()
        socket.close()
      }),
  }
}

export type PageGlobals = typeof globals
const globals = { visit, echo, leave }
Object.assign(globalThis, { bench: globals })
