// A server on its standard input and output, for one device; sends back what comes.
import { Duplex } from 'node:stream'
import { duplexTransport } from '@usmp/node'
import { beServer } from '../narrow.js'

const pipe = Duplex.from({ readable: process.stdin, writable: process.stdout })
const session = await beServer(duplexTransport(pipe, 'stream', 'a pipe'))
for await (const message of session) await session.send(message)
process.exit()
