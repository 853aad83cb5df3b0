import { UsmpError } from '@usmp/core'

/**
 * A module of the gateway, which many who use this command do not need: it brings a database, a broker and a web server with it.
 * @throws UsmpError INVALID_ARGUMENT if it is not installed
 */
async function load<T>(module: () => Promise<T>): Promise<T> {
  try {
    return await module()
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException
    if (code !== 'ERR_MODULE_NOT_FOUND' || !message.includes("'@usmp/gateway'")) throw error
    throw new UsmpError('INVALID_ARGUMENT', 'the package @usmp/gateway is not installed', {
      cause: error,
      hint: 'Install it beside this command: `npm install --global @usmp/cli @usmp/gateway`. Without installing anything: `npx -p @usmp/cli -p @usmp/gateway usmp gateway`.',
    })
  }
}

export const loadSimulator = () => load(() => import('@usmp/gateway/simulator'))
export const loadProgram = () => load(() => import('@usmp/gateway/program'))
