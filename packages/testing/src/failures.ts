import { type ErrorCode, UsmpError } from '@usmp/core'

/** What a promise fails with; fails the test if it does not fail, or not with a UsmpError. */
export async function failureOf(promise: Promise<unknown>): Promise<UsmpError> {
  const outcome = await promise.then(
    () => new Error('it did not fail'),
    (error: unknown) => error,
  )
  if (outcome instanceof UsmpError) return outcome
  throw outcome
}

/** The code that a promise fails with. */
export const codeOf = async (promise: Promise<unknown>): Promise<ErrorCode> => (await failureOf(promise)).code

/** The code of the UsmpError that `action` throws; anything else it throws passes through. */
export function codeThrownBy(action: () => unknown): ErrorCode | 'no error' {
  try {
    action()
  } catch (error) {
    if (error instanceof UsmpError) return error.code
    throw error
  }
  return 'no error'
}
