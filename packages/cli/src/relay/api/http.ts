import { createHash, timingSafeEqual } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'

/** What the API refuses, as its answer says it. */
export class ApiFault extends Error {
  override readonly name = 'ApiFault'
  readonly status: number
  readonly code: string

  constructor(status: number, code: string, message: string) {
    super(message)
    this.status = status
    this.code = code
  }
}

/** Compares in a time that tells nothing of the token, and nothing of its length. */
export function isToken(text: string | undefined, token: string): boolean {
  return timingSafeEqual(digest(text ?? ''), digest(token))
}

function digest(text: string): Buffer {
  return createHash('sha256').update(text).digest()
}

/**
 * The body of a request as a JSON object.
 * @throws ApiFault if it is none, or has more than `limit` bytes
 */
export async function readJson(request: IncomingMessage, limit: number): Promise<Record<string, unknown>> {
  if (!/^application\/json\b/i.test(request.headers['content-type'] ?? '')) {
    throw new ApiFault(415, 'NOT_JSON', 'the body must be application/json')
  }
  const chunks: Buffer[] = []
  let size = 0
  for await (const chunk of request) {
    size += (chunk as Buffer).length
    if (size > limit) throw new ApiFault(413, 'TOO_LARGE', `the body has more than ${limit} bytes`)
    chunks.push(chunk as Buffer)
  }
  const value = parse(Buffer.concat(chunks).toString('utf8'))
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Record<string, unknown>
  throw new ApiFault(400, 'BAD_REQUEST', 'the body is no JSON object')
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

/** Answers with JSON. A body that was not read to its end takes the connection with it. */
export function answer(response: ServerResponse, status: number, body: unknown): void {
  const { req } = response
  response.writeHead(status, {
    'content-type': 'application/json',
    'cache-control': 'no-store',
    ...(req.complete ? {} : { connection: 'close' }),
  })
  response.end(`${JSON.stringify(body)}\n`)
}
