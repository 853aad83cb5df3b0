// A session of a client that runs in MicroPython: Node has the socket and the clock.
import { randomBytes } from 'node:crypto'
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { connect } from 'node:net'
import { startMicroPython } from './interpreter.mjs'

const bridge = readFileSync(new URL('bridge.py', import.meta.url), 'utf8')
const now = () => Math.round(performance.now())

export class MicroPythonSession {
  #call
  #write
  #stop
  #timer
  #wake = () => {}

  /** Connects, and waits for the session. @throws Error with the code of why there is none */
  static async open(kind, host, port, deviceId, psk) {
    const session = new MicroPythonSession()
    session.#call = (await startMicroPython(bridge)).call
    await session.#carry(kind, host, port)
    const hex = (bytes) => Buffer.from(bytes).toString('hex')
    session.#call('begin', kind, hex(deviceId), hex(psk), hex(randomBytes(32)), now())
    session.#flush()
    await session.#until(() => session.state !== 'handshake')
    if (session.state !== 'open') throw new Error(session.state)
    return session
  }

  /** `handshake`, `open`, or the code of the end. */
  get state() {
    return this.#call('state')
  }

  get id() {
    return this.#call('session_id')
  }

  async exchange(message) {
    this.#call('send', Buffer.from(message).toString('hex'), now())
    this.#flush()
    let answer = '-'
    await this.#until(() => (answer = this.#call('message')) !== '-')
    return Buffer.from(answer, 'hex')
  }

  async ping() {
    this.#call('ping', now())
    this.#flush()
    await this.#until(() => this.#call('pings_open') === 0)
  }

  /** Says BYE. @returns the code of the end */
  async close() {
    this.#call('close', now())
    this.#flush()
    await this.#until(() => false).catch(() => {})
    this.#stop()
    return this.state
  }

  async #carry(kind, host, port) {
    if (kind === 'tcp') {
      const socket = connect(port, host).setNoDelay()
      await once(socket, 'connect')
      socket.on('data', (data) => this.#take('receive', data.toString('hex'), now()))
      socket.on('close', () => this.#take('lost')).on('error', () => {})
      this.#write = (data) => socket.write(data)
      this.#stop = () => socket.destroy()
      return
    }
    const socket = createSocket('udp4')
    socket.connect(port, host)
    await once(socket, 'connect')
    socket.on('message', (data) => this.#take('receive', data.toString('hex'), now())).on('error', () => {})
    this.#write = (data) => socket.send(data)
    this.#stop = () => socket.close()
  }

  #take(name, ...args) {
    this.#call(name, ...args)
    this.#flush()
  }

  /** Writes what is to leave, and sets the clock. */
  #flush() {
    for (let data = this.#call('poll'); data; data = this.#call('poll')) this.#write(Buffer.from(data, 'hex'))
    clearTimeout(this.#timer)
    const deadline = this.#call('deadline')
    if (deadline >= 0) this.#timer = setTimeout(() => this.#take('tick', now()), Math.max(0, deadline - now()) + 1)
    this.#wake()
  }

  async #until(done) {
    while (!done()) {
      if (!['handshake', 'open'].includes(this.state)) throw new Error(this.state)
      await new Promise((resolve) => {
        this.#wake = resolve
      })
    }
  }
}
