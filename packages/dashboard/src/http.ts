import type { ApiError } from '@usmp/gateway/contract'
import { Failure } from './failure.js'
import { loggedOut } from './state/session.js'
import { askStepUp } from './state/step-up.js'

/** Without an answer for so long the page says so, ms. A request to a device may take a minute, and a file over a slow line more. */
const PATIENCE = 70_000
const FILE_PATIENCE = 15 * 60_000

export type Method = 'GET' | 'POST' | 'PATCH' | 'DELETE'

/**
 * Asks the gateway; a body is sent as JSON, a file as its bytes. When it wants the password again, the user is asked for it and the request is repeated.
 * @throws Failure with the code of the gateway, `UNREACHABLE`, or `CANCELLED` if the password was not given
 */
export async function ask<T>(method: Method, path: string, body?: unknown): Promise<T> {
  try {
    return await once<T>(method, path, body)
  } catch (error) {
    if (!(error instanceof Failure) || error.code !== 'STEP_UP_REQUIRED') throw error
    if (!(await askStepUp())) throw new Failure('CANCELLED', 'Nothing was changed.')
    return once<T>(method, path, body)
  }
}

async function once<T>(method: Method, path: string, body: unknown): Promise<T> {
  let response: Response
  try {
    response = await fetch(`/api/${path}`, {
      method,
      ...contentOf(body),
      signal: AbortSignal.timeout(body instanceof Blob ? FILE_PATIENCE : PATIENCE),
    })
  } catch {
    throw new Failure(
      'UNREACHABLE',
      'The gateway did not answer. Whether it has done what you asked is not known.',
      'Wait until the connection is back, then look at the state before you try again.',
    )
  }
  if (response.ok) return (response.status === 204 ? undefined : await response.json()) as T
  throw await failureOf(response)
}

function contentOf(body: unknown): Pick<RequestInit, 'body' | 'headers'> {
  if (body === undefined) return {}
  if (body instanceof Blob) return { headers: { 'Content-Type': 'application/octet-stream' }, body }
  return { headers: { 'Content-Type': 'application/json' }, body: JSON.stringify(body) }
}

async function failureOf(response: Response): Promise<Failure> {
  let told: ApiError['error'] | undefined
  try {
    told = ((await response.json()) as ApiError).error
  } catch {
    // Not from the gateway itself; a proxy before it, say.
  }
  if (told?.code === 'UNAUTHENTICATED') loggedOut()
  if (told) return new Failure(told.code, told.message, told.hint)
  return new Failure('UNREACHABLE', `Something before the gateway answered with status ${response.status}.`)
}
