import dns from 'node:dns'
import { isIP } from 'node:net'
import { UsmpError } from '@usmp/core'

/**
 * The addresses of a host, in the order in which the system wants them tried. An address is its own only one.
 * @param timeout ms; 0 for never
 * @throws UsmpError ABORTED; otherwise the error of the look-up, or that it took too long
 */
export function resolveHost(
  host: string,
  { timeout, signal }: { timeout: number; signal?: AbortSignal | undefined },
): Promise<readonly string[]> {
  return new Promise((resolve, reject) => {
    const onAbort = () => settle(() => reject(new UsmpError('ABORTED', undefined, { cause: signal?.reason })))
    const giveUp = () => settle(() => reject(new Error(`no answer of the name service within ${timeout} ms`)))
    const timer = timeout > 0 ? setTimeout(giveUp, timeout) : undefined
    /** The look-up itself cannot be called off: what it says later nobody hears. */
    function settle(finish: () => void): void {
      clearTimeout(timer)
      signal?.removeEventListener('abort', onAbort)
      finish()
    }
    if (signal?.aborted) return onAbort()
    if (isIP(host)) return settle(() => resolve([host]))
    signal?.addEventListener('abort', onAbort)
    dns.lookup(host, { all: true, verbatim: true }, (error, found) =>
      settle(() => (error ? reject(error) : resolve(found.map(({ address }) => address)))),
    )
  })
}
