// The client for MicroPython under MicroPython itself, in WebAssembly, for the matrix (README.md).
import { MicroPythonSession } from '../micropython/session.mjs'
import { endWithInput, finish, message, readOptions, readPsk, say, sizes } from './contract.mjs'

const options = readOptions()
endWithInput()
const [host, port] = options.at.split(':')
const deviceId = Buffer.from(options.id.replaceAll(':', ''), 'hex')
try {
  const psk = readPsk(options['psk-file'])
  const session = await MicroPythonSession.open(options.transport, host, Number(port), deviceId, psk)
  say('connected', session.id)
  for (const size of sizes) {
    const sent = message(size)
    if (!(await session.exchange(sent)).equals(sent)) throw new Error(`${size} bytes did not come back`)
  }
  await session.ping()
  say('echoed', sizes.length)
  finish(await session.close())
} catch (error) {
  finish(error.message)
}
