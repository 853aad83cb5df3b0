import type { Output } from '../output.js'
import type { RelayFlags } from './flags.js'

const LOOPBACK = /^(localhost|127\.[\d.]+|\[::1\])$/

/** Shows a pairing code, and what the other person does with it. */
export function tellCode(code: string, flags: RelayFlags, output: Output): void {
  const command = commandOfGuest(code, flags)
  output.status(
    'Your code, good for one use within 10 minutes:',
    { event: 'code', code, command },
    ['', ...framed(code), '', 'The other person types:', `  ${command}`, ...onThisMachine(flags.relay)].join('\n  '),
  )
}

/** Whoever tries both ends on one machine has one identity there, and nobody pairs with itself. */
function onThisMachine({ hostname }: URL): string[] {
  return LOOPBACK.test(hostname) ? ['On this same machine it needs a second identity: add --identity second.json'] : []
}

function framed(code: string): string[] {
  const line = '─'.repeat(code.length + 6)
  return [`┌${line}┐`, `│   ${code}   │`, `└${line}┘`]
}

/** The files are those of the other person. */
function commandOfGuest(code: string, { relay, tokenFile, ca, pin, cert }: RelayFlags): string {
  return [
    'usmp relay peer --relay',
    relay.pathname === '/' ? relay.origin.replace(/^null$/, `${relay.protocol}//${relay.host}`) : relay.href,
    '--code',
    code,
    ...(tokenFile === undefined ? [] : ['--token-file FILE']),
    ...(ca === undefined ? [] : ['--ca FILE']),
    ...(pin === undefined ? [] : ['--pin', pin]),
    ...(cert === undefined ? [] : ['--cert FILE --key FILE']),
  ].join(' ')
}
