import { chmod, rm } from 'node:fs/promises'
import { createServer, type Server, type Socket } from 'node:net'
import * as v from 'valibot'
import { GatewayError } from '../errors.js'
import { type ControlAnswer, controlPath, controlRequest, MAX_CONTROL_MESSAGE } from './control.js'

const TIMEOUT = 10_000
const MAX_CONNECTIONS = 4

/** What the command line can ask of a gateway that runs. */
export interface ControlHandlers {
  /** @returns a new setup link; null if there is a user */
  readonly setup: () => Promise<string | null>
  /** @returns where the HTTP API is, and what lets in there, as JSON */
  readonly api: () => string
  /** @returns the new password */
  readonly resetPassword: (name: string) => Promise<string>
}

/**
 * Lets commands on this machine reach the gateway that runs: a socket in the folder of the store, which its owner alone can open.
 * Whoever can is able to read the store as well, so it asks for no password.
 */
export class ControlServer {
  readonly #server: Server
  readonly #sockets = new Set<Socket>()

  private constructor(server: Server) {
    this.#server = server
    server.maxConnections = MAX_CONNECTIONS
    server.on('connection', (socket) => {
      this.#sockets.add(socket)
      socket.on('close', () => this.#sockets.delete(socket))
    })
  }

  /**
   * @returns undefined where a socket cannot be in a folder: on Windows, or if its path is too long
   * @throws what `listen` of Node throws
   */
  static async start(folder: string, handlers: ControlHandlers): Promise<ControlServer | undefined> {
    const path = controlPath(folder)
    if (path === undefined) return undefined
    // Of a gateway that was killed: the store is open in this process, so in no other one.
    await rm(path, { force: true })
    const server = createServer({ allowHalfOpen: true }, (socket) => serve(socket, handlers))
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject)
      server.listen(path, () => {
        server.off('error', reject)
        resolve()
      })
    })
    await chmod(path, 0o600)
    return new ControlServer(server)
  }

  async close(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()))
    for (const socket of this.#sockets) socket.destroy()
    await closed
  }
}

/** One request, one answer, and it is over. */
function serve(socket: Socket, handlers: ControlHandlers): void {
  let text = ''
  socket.setEncoding('utf8').setTimeout(TIMEOUT, () => socket.destroy())
  socket.on('error', () => socket.destroy())
  socket.on('data', (chunk) => {
    text += chunk
    if (text.length > MAX_CONTROL_MESSAGE) socket.destroy()
  })
  socket.on('end', () => void answer(text, handlers).then((result) => socket.end(JSON.stringify(result))))
}

async function answer(text: string, handlers: ControlHandlers): Promise<ControlAnswer> {
  try {
    const request = v.parse(controlRequest, JSON.parse(text))
    if (request.command === 'setup') return { result: await handlers.setup() }
    if (request.command === 'api') return { result: handlers.api() }
    return { result: await handlers.resetPassword(request.name) }
  } catch (error) {
    if (error instanceof GatewayError) {
      return { error: { code: error.code, message: error.message, hint: error.hint } }
    }
    return { error: { code: 'INTERNAL', message: 'the gateway could not do it', hint: 'Its own output says more.' } }
  }
}
