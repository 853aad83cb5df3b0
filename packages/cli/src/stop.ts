import { constants } from 'node:os'
import type { Output } from './output.js'

/** Ends a command from outside: by a signal of the system, or because the reader of its output is gone. */
export interface Stop {
  readonly signal: AbortSignal
  /** The exit code by convention for a program that a signal ended: 129 for SIGHUP, 130 for SIGINT, 143 for SIGTERM; else 0. */
  readonly exitCode: number
}

/** From here on SIGHUP (the terminal is gone), SIGINT and SIGTERM end the command in order. A second one ends it at once. */
export function stopOnSignals(output: Output): Stop {
  const controller = new AbortController()
  let exitCode = 0
  for (const name of ['SIGHUP', 'SIGINT', 'SIGTERM'] as const) {
    process.once(name, () => {
      exitCode = 128 + constants.signals[name]
      controller.abort(name)
    })
  }
  output.broken.addEventListener('abort', () => controller.abort('EPIPE'), { once: true })
  return {
    signal: controller.signal,
    get exitCode() {
      return exitCode
    },
  }
}
