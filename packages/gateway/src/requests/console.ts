import { randomUUID } from 'node:crypto'
import { UsmpError } from '@usmp/core'
import { RpcError } from '@usmp/rpc'
import type { InferOutput } from 'valibot'
import type { Actor } from '../actor.js'
import type * as commands from '../contract/commands.js'
import type { Link } from '../devices/link.js'
import { GatewayError } from '../errors.js'
import type { GatewayTime } from '../time.js'

type Request = InferOutput<typeof commands.request>
type Answer = Pick<commands.RequestOutcome, 'result' | 'error'>
type Fault = NonNullable<commands.RequestOutcome['error']>

/** Bytes of JSON. */
const MAX_PARAMS = 8 * 1024
const MAX_RESULT = 32 * 1024
/** Requests to one device at once. */
const MAX_AT_ONCE = 8
const DEFAULT_TIMEOUT = 10_000

/**
 * Sends requests of people to devices. The answer of a device, or that there is none, is an outcome; only a request that is not sent is an
 * error.
 */
export class RequestConsole {
  readonly #time: GatewayTime
  readonly #underWay = new WeakMap<Link, number>()

  constructor(time: GatewayTime) {
    this.#time = time
  }

  /** @throws GatewayError DEVICE_OFFLINE, INVALID, TOO_MANY */
  check(link: Link | undefined, { method, params = {} }: Request): Link {
    if (!link) {
      throw new GatewayError('DEVICE_OFFLINE', 'The device has no session.', {
        hint: 'Nothing is kept for it: send the request again when it is online.',
      })
    }
    if (/^(\$\/|rpc\.)/.test(method)) throw new GatewayError('INVALID', `The method name ${method} is reserved.`)
    if (sizeOf(params) > MAX_PARAMS)
      throw new GatewayError('INVALID', `The parameters are longer than ${MAX_PARAMS} bytes.`)
    if ((this.#underWay.get(link) ?? 0) >= MAX_AT_ONCE) {
      throw new GatewayError('TOO_MANY', `${MAX_AT_ONCE} requests to this device wait for their answers already.`)
    }
    return link
  }

  async send(link: Link, actor: Actor, { method, params = {}, timeout = DEFAULT_TIMEOUT }: Request) {
    const began = this.#time.monotonic()
    const head = { id: randomUUID(), at: this.#time.now(), by: actor.name, method, params }
    this.#underWay.set(link, (this.#underWay.get(link) ?? 0) + 1)
    const answer = await this.#ask(link, method, params, timeout)
    const duration = Math.round((this.#time.monotonic() - began) * 10) / 10
    return { ...head, duration, ...answer } satisfies commands.RequestOutcome
  }

  async #ask(link: Link, method: string, params: Record<string, unknown>, timeout: number): Promise<Answer> {
    try {
      return checkSize(await link.peer.requestUntyped(method, params, { timeout }))
    } catch (error) {
      return { error: faultOf(error) }
    } finally {
      this.#underWay.set(link, this.#underWay.get(link)! - 1)
    }
  }
}

function checkSize(result: unknown): Answer {
  if (sizeOf(result) <= MAX_RESULT) return { result }
  return { error: { code: 'TOO_LARGE', message: `The answer is longer than ${MAX_RESULT} bytes.` } }
}

function faultOf(error: unknown): Fault {
  if (error instanceof RpcError) {
    const { code, message, data } = error
    return data === undefined || sizeOf(data) > MAX_RESULT ? { code, message } : { code, message, data }
  }
  if (!(error instanceof UsmpError)) throw error
  switch (error.code) {
    case 'REQUEST_TIMEOUT':
      return {
        code: 'REQUEST_TIMEOUT',
        message: 'The device did not answer in time. It may have carried the request out.',
      }
    case 'INVALID_RESPONSE':
    case 'MESSAGE_TOO_LARGE':
    case 'QUEUE_FULL':
      return { code: error.code, message: error.message }
    default:
      return {
        code: 'SESSION_LOST',
        message: 'The session ended before the answer. The device may have carried the request out.',
      }
  }
}

function sizeOf(value: unknown): number {
  return Buffer.byteLength(JSON.stringify(value) ?? '')
}
