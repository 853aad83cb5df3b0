import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { connect, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'

/** A real mosquitto on a free port of this machine. */
export class HomeBroker {
  readonly #folder = mkdtempSync(join(tmpdir(), 'usmp-home-'))
  #process: ChildProcess | undefined
  port = 0

  static async start(): Promise<HomeBroker> {
    const broker = new HomeBroker()
    broker.port = await freePort()
    const config = [
      `listener ${broker.port} 127.0.0.1`,
      'allow_anonymous true',
      'user root',
      'log_type none',
      `persistence_location ${broker.#folder}/`,
      'persistence true',
      '',
    ]
    writeFileSync(join(broker.#folder, 'mosquitto.conf'), config.join('\n'))
    await broker.start()
    return broker
  }

  get url(): string {
    return `mqtt://127.0.0.1:${this.port}`
  }

  async start(): Promise<void> {
    this.#process = spawn('/usr/sbin/mosquitto', ['-c', join(this.#folder, 'mosquitto.conf')], { stdio: 'ignore' })
    for (;;) {
      const socket = connect(this.port, '127.0.0.1')
      const open = await Promise.race([once(socket, 'connect').then(() => true), once(socket, 'error')]).catch(
        () => false,
      )
      socket.destroy()
      if (open === true) return
      await sleep(20)
    }
  }

  /** It writes down what it has retained. */
  async stop(): Promise<void> {
    const ended = once(this.#process!, 'exit')
    this.#process!.kill('SIGTERM')
    await ended
  }

  async close(): Promise<void> {
    await this.stop()
    rmSync(this.#folder, { recursive: true })
  }
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as { port: number }
  server.close()
  await once(server, 'close')
  return port
}
