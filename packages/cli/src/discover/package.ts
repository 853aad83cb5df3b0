import { UsmpError } from '@usmp/core'
import * as node from '@usmp/node'
import { isSearched } from './place.js'

/**
 * The module of discovery, which many who use this command do not need.
 * @throws UsmpError INVALID_ARGUMENT if it is not installed
 */
export async function loadDiscovery(): Promise<typeof import('@usmp/discovery')> {
  try {
    return await import('@usmp/discovery')
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException
    if (code !== 'ERR_MODULE_NOT_FOUND' || !message.includes("'@usmp/discovery'")) throw error
    throw new UsmpError('INVALID_ARGUMENT', 'the package @usmp/discovery is not installed', {
      cause: error,
      hint: 'Install it beside this command: `npm install --global @usmp/cli @usmp/discovery`. Without installing anything: `npx -p @usmp/cli -p @usmp/discovery usmp discover`.',
    })
  }
}

/** `connect` and `sessions` for an address: those that can search, only if the address needs it. */
export async function connectorFor(
  url: string,
): Promise<Pick<typeof import('@usmp/discovery'), 'connect' | 'sessions'>> {
  return isSearched(url) ? loadDiscovery() : node
}
