import { connect } from 'node:net'
import { join, resolve } from 'node:path'
import * as v from 'valibot'
import { userName } from '../contract/access.js'
import { errorStatus, type GatewayErrorCode } from '../contract/errors.js'
import { GatewayError } from '../errors.js'

/** Bytes of the longest path of a socket, on the system that allows least. */
const MAX_SOCKET_PATH = 103
/** Characters of the longest request or answer. */
export const MAX_CONTROL_MESSAGE = 4096

export const controlRequest = v.variant('command', [
  v.strictObject({ command: v.literal('setup') }),
  v.strictObject({ command: v.literal('api') }),
  v.strictObject({ command: v.literal('reset-password'), name: userName }),
])
export type ControlRequest = v.InferOutput<typeof controlRequest>

const controlAnswer = v.union([
  v.object({ result: v.nullable(v.string()) }),
  v.object({ error: v.object({ code: v.string(), message: v.string(), hint: v.nullable(v.string()) }) }),
])
export type ControlAnswer = v.InferOutput<typeof controlAnswer>

/** Where the socket of a gateway is; undefined where there can be none. */
export function controlPath(folder: string): string | undefined {
  const path = join(resolve(folder), 'control.sock')
  return process.platform === 'win32' || Buffer.byteLength(path) > MAX_SOCKET_PATH ? undefined : path
}

/**
 * Asks the gateway that runs with this folder.
 * @returns its answer in `result`; undefined if none runs, or it cannot be asked
 * @throws GatewayError what the gateway answers
 */
export async function askGateway(
  folder: string,
  request: ControlRequest,
): Promise<{ readonly result: string | null } | undefined> {
  const path = controlPath(folder)
  const text = path === undefined ? undefined : await exchange(path, JSON.stringify(request))
  if (text === undefined) return undefined
  const answer = v.parse(controlAnswer, JSON.parse(text))
  if ('result' in answer) return answer
  const { code, message, hint } = answer.error
  throw new GatewayError(code in errorStatus ? (code as GatewayErrorCode) : 'INTERNAL', message, hint ? { hint } : {})
}

/** @returns undefined if nobody listens */
function exchange(path: string, request: string): Promise<string | undefined> {
  return new Promise((resolve, reject) => {
    let text = ''
    const socket = connect({ path, allowHalfOpen: true }, () => socket.end(request))
    socket.setEncoding('utf8')
    socket.on('data', (chunk) => {
      text += chunk
    })
    socket.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT' || error.code === 'ECONNREFUSED') resolve(undefined)
      else reject(error)
    })
    socket.on('end', () => {
      if (text === '') reject(new GatewayError('INTERNAL', 'the gateway ended without an answer'))
      else resolve(text)
    })
  })
}
