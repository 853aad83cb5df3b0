import { UsmpError } from '@usmp/core'
import { RpcCode, RpcError, shorten } from './codes.js'
import { type MessageAge, parseAge } from './message-age.js'

/** What names a request; unique among those under way. */
export type Id = number | string

/** The longest text that may name a request, in UTF-16 units. */
const MAX_ID = 128

/** A message of the peer. */
export type Incoming =
  | {
      readonly kind: 'request'
      readonly id: Id
      readonly method: string
      readonly params: Record<string, unknown>
      readonly age: MessageAge | undefined
      readonly credit: number | undefined
    }
  | { readonly kind: 'notification'; readonly method: string; readonly params: Record<string, unknown> }
  | { readonly kind: 'result'; readonly id: Id; readonly result: unknown }
  /** `id` is null where the peer could not tell which request it is about. */
  | { readonly kind: 'error'; readonly id: Id | null; readonly error: RpcError }

/** A message that is refused. */
export class RejectedMessage extends Error {
  /** What is wrong with it. */
  readonly error: RpcError
  /** The request that is answered with the error; null if it is not known. */
  readonly id: Id | null
  /** Whether it was an answer itself, or a notification. These are never answered. */
  readonly silent: boolean

  constructor(error: RpcError, id: Id | null = null, silent = false) {
    super(error.message)
    this.error = error
    this.id = id
    this.silent = silent
  }
}

const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/**
 * The message in the bytes of one USMP message.
 * @throws RejectedMessage
 */
export function parseMessage(bytes: Uint8Array): Incoming {
  const message = parseObject(bytes)
  const { jsonrpc, id, method } = message
  const isAnswer = method === undefined && ('result' in message || 'error' in message)
  const known = isId(id) ? id : null
  const reject = (code: number, text: string, silent = false) =>
    new RejectedMessage(new RpcError(code, text), known, silent)
  if (jsonrpc !== '2.0') throw reject(RpcCode.INVALID_REQUEST, '"jsonrpc" must be "2.0"', isAnswer)
  if (isAnswer) return parseAnswer(message, known)
  if (typeof method !== 'string') throw reject(RpcCode.INVALID_REQUEST, '"method" must be a text')
  const { params = {} } = message
  const isNotification = !('id' in message)
  if (!isObject(params)) throw reject(RpcCode.INVALID_PARAMS, '"params" must be an object', isNotification)
  if (isNotification) return { kind: 'notification', method, params }
  if (known === null) {
    throw reject(RpcCode.INVALID_REQUEST, `"id" must be a number or a text of at most ${MAX_ID} characters`)
  }
  try {
    return {
      kind: 'request',
      id: known,
      method,
      params,
      age: parseAge(message.age),
      credit: parseCredit(message.credit),
    }
  } catch (error) {
    throw new RejectedMessage(error as RpcError, known)
  }
}

function parseObject(bytes: Uint8Array): Record<string, unknown> {
  let message: unknown
  try {
    message = JSON.parse(decoder.decode(bytes))
  } catch (error) {
    const what = error instanceof SyntaxError ? 'JSON' : 'UTF-8'
    throw new RejectedMessage(new RpcError(RpcCode.PARSE_ERROR, `the message is not ${what}`))
  }
  if (Array.isArray(message)) {
    throw new RejectedMessage(
      new RpcError(RpcCode.INVALID_REQUEST, 'batches are not supported: send one message after another'),
    )
  }
  if (!isObject(message))
    throw new RejectedMessage(new RpcError(RpcCode.INVALID_REQUEST, 'a message must be an object'))
  return message
}

function parseAnswer(message: Record<string, unknown>, id: Id | null): Incoming {
  const reject = (text: string) => new RejectedMessage(new RpcError(RpcCode.INVALID_REQUEST, text), id, true)
  if (id === null && message.id !== null) throw reject('an answer without a usable "id"')
  if ('result' in message && 'error' in message) throw reject('an answer has "result" or "error", not both')
  if ('error' in message) {
    const error = parseError(message.error)
    if (!error) throw reject('an error needs a number "code" and a text "message"')
    return { kind: 'error', id, error }
  }
  if (id === null) throw reject('a result without an "id"')
  return { kind: 'result', id, result: message.result }
}

/** The error of an answer or of the end of a stream; undefined if it is none. */
export function parseError(error: unknown): RpcError | undefined {
  if (!isObject(error) || !Number.isInteger(error.code) || typeof error.message !== 'string') return undefined
  return new RpcError(error.code as number, error.message, error.data)
}

function parseCredit(credit: unknown): number | undefined {
  if (credit === undefined || isCount(credit)) return credit
  throw new RpcError(RpcCode.INVALID_REQUEST, '"credit" must be a whole number from 0 to 65535')
}

/** Whether a value of the peer is a usable number of things. */
export function isCount(value: unknown): value is number {
  return Number.isInteger(value) && (value as number) >= 0 && (value as number) <= 65535
}

/** Whether a value of the peer can name a request or a stream. */
export function isId(value: unknown): value is Id {
  return Number.isFinite(value) || (typeof value === 'string' && value.length <= MAX_ID)
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/**
 * A request or, without `id`, a notification, as text.
 * @throws UsmpError INVALID_ARGUMENT if JSON cannot tell the parameters
 */
export function formatCall(call: {
  id?: Id
  method: string
  params: unknown
  age?: MessageAge | undefined
  credit?: number
}): string {
  try {
    return JSON.stringify({ jsonrpc: '2.0', ...call })
  } catch (cause) {
    throw new UsmpError('INVALID_ARGUMENT', `the parameters of ${call.method} do not fit into JSON`, { cause })
  }
}

/** A result as text; what is undefined becomes null. */
export function formatResult(id: Id, result: unknown): string {
  return JSON.stringify({ jsonrpc: '2.0', id, result: result ?? null })
}

/** An error answer as text. */
export function formatError(id: Id | null, error: RpcError): string {
  return JSON.stringify({ jsonrpc: '2.0', id, error: errorObject(error) })
}

/** An error as it stands in an answer or in the end of a stream; without its data, if JSON cannot tell them. */
export function errorObject({ code, message, data }: RpcError): object {
  try {
    JSON.stringify(data)
    return { code, message: shorten(message), data }
  } catch {
    return { code, message: shorten(message) }
  }
}
