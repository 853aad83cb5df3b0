import { MAX_MESSAGE, UsmpError } from '@usmp/core'
import { contract, RpcError, type RpcSession, rpc } from '@usmp/rpc'
import {
  CHUNK_MARK,
  ChunkAssembler,
  formatCall,
  formatChunk,
  formatError,
  formatResult,
  type Incoming,
  parseMessage,
  RejectedMessage,
} from '@usmp/rpc/internal'
import * as v from 'valibot'
import { Choices, must, type Target } from '../target.js'

const LIMIT = 4096
/** Messages that one input may make a peer send: answers to each of its messages, and credit for streams. */
const MAX_SENT = 400

/** Whatever the input is: a message, the chunks of one, or chunks that fit nothing. */
function* messages(input: Choices): Generator<Uint8Array> {
  while (input.left > 0) {
    const how = input.byte()
    const bytes = input.bytes(input.number() % 600)
    if (how < 128) yield bytes
    else if (how < 192) {
      const at = bytes.length >> 1
      yield formatChunk(how & 7, bytes.length, 0, bytes.subarray(0, at))
      yield formatChunk(how & 7, bytes.length, at, bytes.subarray(at))
    } else yield formatChunk(how & 7, input.number(), input.number(), bytes)
  }
}

/** What is understood says the same when it is told again. */
function tellsAgain(bytes: Uint8Array): void {
  let message: Incoming
  try {
    message = parseMessage(bytes)
  } catch (error) {
    must(error instanceof RejectedMessage, `not a RejectedMessage: ${error}`)
    return
  }
  const again = JSON.stringify(parseMessage(new TextEncoder().encode(textOf(message))))
  must(again === JSON.stringify(message), `${JSON.stringify(message)} became ${again}`)
}

function textOf(message: Incoming): string {
  switch (message.kind) {
    case 'request': {
      const { id, method, params, age, credit } = message
      return formatCall({ id, method, params, ...(age ? { age } : {}), ...(credit === undefined ? {} : { credit }) })
    }
    case 'notification':
      return formatCall({ method: message.method, params: message.params })
    case 'result':
      return formatResult(message.id, message.result)
    default:
      return formatError(message.id, message.error)
  }
}

function joins(chunks: Iterable<Uint8Array>): void {
  const assembler = new ChunkAssembler(LIMIT)
  for (const chunk of chunks) {
    try {
      const whole = chunk[0] === CHUNK_MARK ? assembler.push(chunk) : chunk
      must(whole === undefined || whole.length <= LIMIT, 'a message over the limit')
      if (whole) tellsAgain(whole)
    } catch (error) {
      must(error instanceof RejectedMessage, `${error}`)
    }
  }
}

/** A session whose peer says what the input says, and which counts what it is told. */
class Script implements RpcSession {
  readonly maxMessage = MAX_MESSAGE
  readonly closed: Promise<UsmpError>
  sent = 0
  readonly #messages: Iterator<Uint8Array>
  #close: (reason: UsmpError) => void = () => {}

  constructor(messages: Iterator<Uint8Array>) {
    this.#messages = messages
    this.closed = new Promise((resolve) => (this.#close = resolve))
  }

  async send(message: Uint8Array | string): Promise<void> {
    const length = typeof message === 'string' ? Buffer.byteLength(message) : message.length
    if (length > MAX_MESSAGE) throw new UsmpError('MESSAGE_TOO_LARGE')
    must(++this.sent <= MAX_SENT, `${this.sent} messages sent`)
  }

  trySend(): boolean {
    this.sent++
    return true
  }

  async receive(): Promise<Uint8Array | undefined> {
    const { value, done } = this.#messages.next()
    if (done) this.#close(new UsmpError('CLOSED'))
    return done ? undefined : value
  }

  async close(): Promise<void> {
    this.#close(new UsmpError('CLOSED'))
  }
}

const api = contract({
  requests: { echo: { params: v.object({}), result: v.unknown() } },
  notifications: { note: v.object({}) },
  streams: { count: { params: v.object({}), item: v.number() } },
})

async function* threeItems(): AsyncGenerator<number> {
  yield* [1, 2, 3]
}

async function serves(input: Uint8Array): Promise<void> {
  const session = new Script(messages(new Choices(input)))
  const faults: Error[] = []
  const peer = rpc(session, {
    serves: api,
    calls: api,
    limits: { message: LIMIT },
    requests: { echo: (params) => params },
    notifications: { note: () => {} },
    streams: { count: { overflow: 'block', items: threeItems } },
    onFault: (fault) => faults.push(fault),
  })
  const reason = await peer.closed
  must(reason.code === 'CLOSED', `it ended with ${reason.code}: ${reason.message}`)
  for (const fault of faults) must(fault instanceof RpcError || fault instanceof UsmpError, `${fault.stack}`)
}

const utf8 = (text: string) => new TextEncoder().encode(text)

function seed(how: number, text: string): Uint8Array {
  const bytes = utf8(text)
  return Uint8Array.of(how, bytes.length & 0xff, bytes.length >> 8, ...bytes)
}

export const rpcMessages: Target = {
  seeds: () => [
    seed(0, '{"jsonrpc":"2.0","id":7,"method":"echo","params":{"v":1},"age":{"at":1,"ttl":300},"credit":2}'),
    seed(0, '{"jsonrpc":"2.0","method":"note","params":{}}'),
    seed(0, '{"jsonrpc":"2.0","id":"a","method":"count","credit":9}'),
    seed(0, '{"jsonrpc":"2.0","method":"$/credit","params":{"stream":"a","count":3}}'),
    seed(0, '{"jsonrpc":"2.0","method":"$/stop","params":{"stream":"a"}}'),
    seed(0, '{"jsonrpc":"2.0","method":"$/cancel","params":{"id":7}}'),
    seed(129, '{"jsonrpc":"2.0","id":1,"result":[null,true]}'),
    seed(0, '{"jsonrpc":"2.0","id":null,"error":{"code":-32600,"message":"no","data":{"message":1}}}'),
    Uint8Array.of(192, 2, 0, 0x7b, 0x7d, 9, 0, 0, 0),
  ],
  async run(input) {
    joins(messages(new Choices(input)))
    await serves(input)
  },
}
