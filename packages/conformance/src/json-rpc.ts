import type { Session } from '@usmp/core'

/** An answer as it came. */
export interface Answer {
  readonly jsonrpc: string
  readonly id: number | string | null
  readonly result?: Record<string, unknown>
  readonly error?: { readonly code: number; readonly message: string }
}

/** What a robot reports. */
export interface Telemetry {
  readonly n: number
  readonly t: number
  readonly x: number
  readonly y: number
  readonly theta: number
  readonly v: number
  readonly w: number
  readonly left: number
  readonly right: number
  readonly battery: number
  readonly temperature: number
  readonly state: string
}

const WAIT = 20_000

/** A peer that knows nothing but JSON-RPC 2.0, written by hand: what any other implementation would send and expect. */
export class PlainPeer {
  readonly session: Session
  readonly telemetry: Telemetry[] = []
  readonly chats: string[] = []
  /** Number of the last command. */
  lastSeq = 0
  readonly #answers: Answer[] = []
  readonly #began = performance.now()
  #nextId = 1
  #end: unknown
  #wake: (() => void)[] = []

  constructor(session: Session) {
    this.session = session
    void this.#read()
  }

  /** ms since the session was established, as `age.at` wants it. */
  clock(): number {
    return performance.now() - this.#began
  }

  /** The answer to a request; `more` are members beside id, method and params. */
  async ask(method: string, params: unknown = {}, more: object = {}): Promise<Answer> {
    const id = this.#nextId++
    await this.session.send(JSON.stringify({ jsonrpc: '2.0', id, method, params, ...more }))
    return this.#answerTo(id)
  }

  /** The result of a request that must not fail. */
  async call(method: string, params: unknown = {}): Promise<Record<string, unknown>> {
    const { result, error } = await this.ask(method, params)
    if (!result) throw new Error(`${method} failed: ${JSON.stringify(error)}`)
    return result
  }

  /** Like `call`, for a command of RoboLink, with its number. */
  command(method: 'drive' | 'stop', params: object = {}): Promise<Record<string, unknown>> {
    return this.call(method, { seq: ++this.lastSeq, ...params })
  }

  /** What comes back, with id null, for a text that is no good request. */
  async sendNonsense(text: string | Uint8Array): Promise<Answer> {
    await this.session.send(text)
    return this.#answerTo(null)
  }

  /** Waits until `look` finds something in what has come. */
  async until<T>(look: () => T | undefined): Promise<T> {
    for (const deadline = Date.now() + WAIT; ; ) {
      const found = look()
      if (found !== undefined) return found
      if (this.#end) throw this.#end
      const left = deadline - Date.now()
      if (left <= 0) throw new Error(`it did not come; the last was ${JSON.stringify(this.telemetry.at(-1))}`)
      await this.#next(left)
    }
  }

  /** The first telemetry from now on that fits. */
  async report(fits: (telemetry: Telemetry) => boolean = () => true): Promise<Telemetry> {
    let seen = this.telemetry.length
    return this.until(() => {
      while (seen < this.telemetry.length) {
        const telemetry = this.telemetry[seen++]!
        if (fits(telemetry)) return telemetry
      }
      return undefined
    })
  }

  #answerTo(id: number | null): Promise<Answer> {
    return this.until(() => {
      const index = this.#answers.findIndex((answer) => answer.id === id)
      return index < 0 ? undefined : this.#answers.splice(index, 1)[0]
    })
  }

  #next(milliseconds: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, milliseconds)
      this.#wake.push(() => {
        clearTimeout(timer)
        resolve()
      })
    })
  }

  async #read(): Promise<void> {
    const decoder = new TextDecoder('utf-8', { fatal: true })
    try {
      for await (const message of this.session) this.#take(JSON.parse(decoder.decode(message)))
      this.#end = new Error('the session ended')
    } catch (error) {
      this.#end = error
    }
    this.#awaken()
  }

  #take(message: Answer & { method?: string; params?: unknown }): void {
    if (message.method === 'telemetry') this.telemetry.push(message.params as Telemetry)
    else if (message.method === 'chat') this.chats.push((message.params as { text: string }).text)
    else this.#answers.push(message)
    this.#awaken()
  }

  #awaken(): void {
    for (const wake of this.#wake.splice(0)) wake()
  }
}
