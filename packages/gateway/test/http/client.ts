import { request as httpRequest, type IncomingHttpHeaders } from 'node:http'
import { request as httpsRequest } from 'node:https'

export interface Answer {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly text: string
  // biome-ignore lint/suspicious/noExplicitAny: a test looks into whatever body there is
  readonly json: any
}

export interface Ask {
  readonly method?: string
  readonly headers?: Record<string, string>
  /** Sent as JSON. */
  readonly body?: unknown
  /** Sent as it is. */
  readonly raw?: string | Uint8Array
}

/** One request with exactly these headers, on a connection of its own; certificates are not checked. */
export function ask(url: string, path: string, { method = 'GET', headers = {}, body, raw }: Ask = {}): Promise<Answer> {
  const { protocol, hostname, port } = new URL(url)
  const payload = raw ?? (body === undefined ? undefined : JSON.stringify(body))
  const options = {
    host: hostname,
    port,
    path,
    method,
    agent: false as const,
    rejectUnauthorized: false,
    headers: { ...(payload !== undefined && { 'content-type': 'application/json' }), ...headers },
  }
  return new Promise((resolve, reject) => {
    const request = (protocol === 'https:' ? httpsRequest : httpRequest)(options, (response) => {
      const chunks: Buffer[] = []
      response.on('data', (chunk: Buffer) => chunks.push(chunk))
      response.on('end', () => {
        const text = Buffer.concat(chunks).toString()
        const isJson = /^application\/json(;|$)/.test(response.headers['content-type'] ?? '')
        resolve({
          status: response.statusCode!,
          headers: response.headers,
          text,
          json: isJson ? JSON.parse(text) : undefined,
        })
      })
    })
    request.on('error', reject)
    request.end(payload)
  })
}

/** A page in a browser: it keeps the cookie, and says where it comes from. */
export class Browser {
  cookie = ''
  readonly #url: string
  readonly #origin: string

  constructor(url: string, origin = url) {
    this.#url = url
    this.#origin = origin
  }

  get headers(): Record<string, string> {
    return { origin: this.#origin, 'sec-fetch-site': 'same-origin', ...(this.cookie && { cookie: this.cookie }) }
  }

  get(path: string, headers: Record<string, string> = {}): Promise<Answer> {
    return this.#send('GET', path, { headers })
  }

  post(path: string, body?: unknown): Promise<Answer> {
    return this.#send('POST', path, body === undefined ? {} : { body })
  }

  send(method: string, path: string, body?: unknown): Promise<Answer> {
    return this.#send(method, path, body === undefined ? {} : { body })
  }

  /** Sends a file. */
  upload(path: string, raw: Uint8Array): Promise<Answer> {
    return this.#send('POST', path, { raw, headers: { 'content-type': 'application/octet-stream' } })
  }

  async #send(method: string, path: string, more: Ask): Promise<Answer> {
    const answer = await ask(this.#url, path, { method, ...more, headers: { ...this.headers, ...more.headers } })
    const [set] = answer.headers['set-cookie'] ?? []
    if (set) this.cookie = set.split(';', 1)[0]!
    return answer
  }
}
