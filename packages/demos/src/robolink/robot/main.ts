// The robot in TypeScript; it does what the one in C does.
import { readFile } from 'node:fs/promises'
import { UsmpError } from '@usmp/core'
import { sessions } from '@usmp/node'
import {
  ExitCode,
  type Output,
  parseOptions,
  parsePlace,
  readPskFile,
  required,
  runProgram,
  type Stop,
} from '../command.js'
import { Robot } from './robot.js'

const USAGE = `usage: robot --connect PLACE --id ID --psk-file FILE [--name NAME] [--ca FILE] [--json]
  PLACE: tcp:HOST:PORT, udp:HOST:PORT, serial:PATH or wss://HOST:PORT/usmp
  --ca FILE: for wss, the certificate of the hub (tls-cert.pem in its state folder)`

/** ms of silence after which we ask the hub whether it is there, and after which we take it that it is not. */
const KEEPALIVE = 1_000
const IDLE_TIMEOUT = 3_000
/** A hub that refuses us so often in a row does not know our key: somebody has to look at it. */
const MAX_REFUSALS = 5

await runProgram(async (output, stop) => {
  const text = { type: 'string' } as const
  const options = parseOptions(USAGE, { connect: text, id: text, 'psk-file': text, name: text, ca: text })
  const place = parsePlace(required(options.connect, 'connect', USAGE))
  const deviceId = required(options.id, 'id', USAGE)
  const psk = await readPskFile(required(options['psk-file'], 'psk-file', USAGE))
  const ca = options.ca === undefined ? {} : { ca: await readFile(options.ca) }
  return drive(place, { deviceId, psk, ...ca }, options.name ?? 'TypeScript robot', output, stop)
})

async function drive(
  place: URL,
  credentials: { deviceId: string; psk: Uint8Array; ca?: Uint8Array },
  name: string,
  output: Output,
  stop: Stop,
): Promise<number> {
  const robot = new Robot(name, () => performance.now())
  const onRetry = ({ code, message }: UsmpError, pause: number) =>
    output.status(`robot: ${message}; again in ${pause} ms`, { event: 'retry', code, message, pause })
  const options = {
    ...credentials,
    onRetry,
    signal: stop.signal,
    keepalive: KEEPALIVE,
    idleTimeout: IDLE_TIMEOUT,
    maxRefusals: MAX_REFUSALS,
  }
  for await (const session of sessions(place, options)) {
    output.status(`robot: connected to ${session.address}`, { event: 'connected', address: session.address })
    const goodbye = await robot.serve(session)
    if (goodbye?.code === 'REPLACED') {
      throw new UsmpError('REPLACED', goodbye.message, { hint: 'Two robots must not have one id: give each its own.' })
    }
  }
  return stop.exitCode || ExitCode.OK
}
