import { UsmpError } from '@usmp/core'
import { getDotPath, safeParse } from 'valibot'
import { RpcCode, RpcError, shorten } from './codes.js'
import type { Schema } from './contract.js'

/** Faults of a value that are named; the rest is left out. */
const MAX_FAULTS = 3

/** A value that fits its schema, or what is wrong with it in words. */
type Checked = { readonly value: unknown } | { readonly fault: string }

function check(schema: Schema, value: unknown): Checked {
  const { success, output, issues } = safeParse(schema, value)
  if (success) return { value: output }
  const faults = issues.slice(0, MAX_FAULTS).map((issue) => {
    const path = getDotPath(issue)
    return path ? `${path}: ${issue.message}` : issue.message
  })
  return { fault: shorten(faults.join('; ')) }
}

/**
 * Parameters of the peer.
 * @throws RpcError INVALID_PARAMS
 */
export function checkReceived(schema: Schema, params: unknown): unknown {
  const checked = check(schema, params)
  if ('fault' in checked) throw new RpcError(RpcCode.INVALID_PARAMS, checked.fault)
  return checked.value
}

/**
 * Parameters of this end, before they are sent as they are.
 * @throws UsmpError INVALID_ARGUMENT
 */
export function checkSent(method: string, schema: Schema, params: unknown): void {
  const checked = check(schema, params)
  if ('fault' in checked) throw new UsmpError('INVALID_ARGUMENT', `the parameters of ${method}: ${checked.fault}`)
}

/**
 * A result or item of the peer.
 * @throws UsmpError INVALID_RESPONSE
 */
export function checkAnswer(method: string, schema: Schema, value: unknown): unknown {
  const checked = check(schema, value)
  if ('fault' in checked) throw new UsmpError('INVALID_RESPONSE', `${method}: ${checked.fault}`)
  return checked.value
}
