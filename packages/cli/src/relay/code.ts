import type { Output } from '../output.js'
import type { RelayFlags } from './flags.js'

/** Shows a pairing code, and what the other person does with it. */
export function tellCode(code: string, flags: RelayFlags, output: Output): void {
  const command = commandOfGuest(code, flags)
  output.status(
    'Your code, good for one use within 10 minutes:',
    { event: 'code', code, command },
    ['', ...framed(code), '', 'The other person types:', `  ${command}`].join('\n  '),
  )
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
