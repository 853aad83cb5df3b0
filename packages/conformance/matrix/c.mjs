// The C core's host program, for the matrix (README.md): other options, and nearly the same words.
import { spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { endWithInput, finish, readOptions, say, sizes } from './contract.mjs'

const options = readOptions('program')
const [a, b] = [options.transport, options.at]
const place = a === 'serial' ? `serial:${b}:0` : `${a}:${b}`
const args = ['--psk-hex-file', options['psk-file'], '--suite', options.suite]
if (options.role === 'server') args.push('--listen', place, '--echo', '--once')
else {
  const rounds = options.rekey ? 2 : 1
  args.push('--connect', place, '--device-id', options.id, '--ping', '--sizes', sizes.join(','))
  args.push('--exchange', String(rounds * sizes.length))
  if (options.rekey) args.push('--rekey-every', String(sizes.length))
}

const child = spawn(options.program, args, { stdio: ['ignore', 'pipe', 'inherit'] })
process.on('exit', () => child.kill())
endWithInput()

let failure = 'ended without a word'
for await (const line of createInterface({ input: child.stdout })) {
  const [word, ...rest] = line.split(' ')
  if (word === 'listening') say(line)
  // It names the device in front of the session.
  if (word === 'connected') say('connected', rest[1])
  if (word === 'exchanged') {
    say('echoed', sizes.length)
    if (options.rekey) say('rekeyed')
  }
  if (word === 'closed' || word === 'failed') failure = rest[0]
}
finish(failure.replace(/^USMP_ERR_/, ''))
