import { UsmpError } from '@usmp/core'

/**
 * A module of the relay, which many who use this command do not need.
 * @throws UsmpError INVALID_ARGUMENT if it is not installed
 */
async function load<T>(module: () => Promise<T>): Promise<T> {
  try {
    return await module()
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException
    if (code !== 'ERR_MODULE_NOT_FOUND' || !message.includes("'@usmp/relay'")) throw error
    throw new UsmpError('INVALID_ARGUMENT', 'the package @usmp/relay is not installed', {
      cause: error,
      hint: 'Install it beside this command: `npm install --global @usmp/cli @usmp/relay`. Without installing anything: `npx -p @usmp/cli -p @usmp/relay usmp relay`.',
    })
  }
}

/** The relay itself: it needs nothing of the peers. */
export const loadServer = () => load(() => import('@usmp/relay/server'))
export const loadRelay = () => load(() => import('@usmp/relay'))
export const loadNode = () => load(() => import('@usmp/relay/node'))
export type RelayModule = Awaited<ReturnType<typeof loadRelay>>
