import { UsmpError } from '@usmp/core'

/**
 * A module of updates, which many who use this command do not need.
 * @throws UsmpError INVALID_ARGUMENT if it is not installed
 */
async function load<T>(module: () => Promise<T>): Promise<T> {
  try {
    return await module()
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException
    if (code !== 'ERR_MODULE_NOT_FOUND' || !message.includes("'@usmp/ota'")) throw error
    throw new UsmpError('INVALID_ARGUMENT', 'the package @usmp/ota is not installed', {
      cause: error,
      hint: 'Install it beside this command: `npm install --global @usmp/cli @usmp/ota`. Without installing anything: `npx -p @usmp/cli -p @usmp/ota usmp ota`.',
    })
  }
}

export const loadOta = () => load(() => import('@usmp/ota'))
export const loadNode = () => load(() => import('@usmp/ota/node'))
