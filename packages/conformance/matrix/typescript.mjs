// The TypeScript packages, for the matrix (README.md).
import { CipherSuite, nobleProvider } from '@usmp/core'
import { connect, listen, nodeProvider, serialPort } from '@usmp/node'
import { endWithInput, finish, message, ORIGIN, readOptions, readPsk, say, sizes } from './contract.mjs'

const options = readOptions('provider')
const psk = readPsk(options['psk-file'])
const suite = options.suite === 'aes' ? CipherSuite.AES_256_GCM : CipherSuite.CHACHA20_POLY1305
const provider = options.provider === 'noble' ? nobleProvider : nodeProvider
const [host, port] = [options.at.split(':')[0], Number(options.at.split(':')[1])]

const portOf = {
  tcp: (server) => server.port,
  udp: (server) => server.udpPort,
  ws: (server) => new URL(server.websocketUrl).port,
  serial: () => 0,
}

async function serve() {
  const places = {
    tcp: { tcp: { host, port } },
    udp: { udp: { host, port } },
    ws: { websocket: { host, port, origins: [ORIGIN] } },
    serial: { serial: serialPort(options.at) },
  }
  const server = await listen({ ...places[options.transport], psk: { [options.id]: { psk, suite } }, provider })
  say('listening', portOf[options.transport](server))
  for await (const session of server) {
    say('connected', session.sessionId)
    for await (const data of session) await session.send(data)
    return (await session.closed).code
  }
}

async function play() {
  const schemes = { tcp: 'usmp://', udp: 'usmp+udp://', ws: 'ws://', serial: 'serial://' }
  const session = await connect(schemes[options.transport] + options.at, { deviceId: options.id, psk, suite, provider })
  say('connected', session.sessionId)
  await exchange(session)
  await session.ping()
  if (options.rekey) {
    await session.rekey()
    await exchange(session)
    say('rekeyed')
  }
  await session.close()
  return (await session.closed).code
}

async function exchange(session) {
  for (const size of sizes) {
    await session.send(message(size))
    const echo = await session.receive()
    if (!echo || Buffer.compare(echo, message(size)) !== 0) throw new Error(`${size} bytes did not come back`)
  }
  say('echoed', sizes.length)
}

endWithInput()
await (options.role === 'server' ? serve() : play()).then(finish, (error) => {
  console.error(error)
  finish(error.code ?? 'WRONG')
})
