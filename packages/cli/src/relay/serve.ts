import { UsmpError } from '@usmp/core'
import { readPskFile } from '@usmp/node'
import { readPemFile } from '@usmp/node/key-files'
import type { Relay, RelayOptions } from '@usmp/relay/server'
import { ExitCode } from '../exit-code.js'
import type { Output } from '../output.js'
import type { Stop } from '../stop.js'
import type { ServeFlags, TokenFlags } from './flags.js'
import { loadServer } from './package.js'

/** Where a relay listens, and nobody can dial. */
const EVERYWHERE = /\/\/(0\.0\.0\.0|\[::\])/
const DAY = 24 * 60 * 60_000

/** Runs a relay until it is stopped. */
export async function relayServeCommand(flags: ServeFlags, output: Output, stop: Stop): Promise<number> {
  const options = await relayOptions(flags)
  const { startRelay } = await loadServer()
  const relay = await startRelay(options)
  options.tokenKey?.fill(0)
  try {
    tellStarted(relay, flags, output)
    await aborted(stop.signal)
  } finally {
    await relay.close()
  }
  output.status('stopped', { event: 'stopped' })
  return ExitCode.OK
}

/** Prints a token. */
export async function tokenCommand({ tokenKey, days, name }: TokenFlags, output: Output): Promise<number> {
  const { issueToken, formatToken } = await loadServer()
  const key = await readPskFile(tokenKey)
  const expires = new Date(Date.now() + days * DAY)
  try {
    const token = formatToken(issueToken(key, { expires, ...(name === undefined ? {} : { name }) }))
    await output.result(token, { event: 'token', token, expires: expires.toISOString() })
  } finally {
    key.fill(0)
  }
  output.status(
    `a token${name === undefined ? '' : ` for ${name}`}, good until ${expires.toISOString().slice(0, 10)}`,
    { event: 'expires', expires: expires.toISOString() },
    'Who has it may meet at this relay. It goes into a file for --token-file.',
  )
  return ExitCode.OK
}

/** @throws UsmpError INVALID_ARGUMENT, WEAK_PSK */
async function relayOptions(flags: ServeFlags): Promise<RelayOptions & { tokenKey?: Uint8Array }> {
  check(flags)
  const { listen, tlsCert, tlsKey, clientCa, tokenKey, open = false, trustProxy = false, metrics } = flags
  return {
    ...listen,
    open,
    trustProxy,
    ...(metrics ? { metrics } : {}),
    ...(tokenKey === undefined ? {} : { tokenKey: await readPskFile(tokenKey) }),
    ...(tlsCert === undefined || tlsKey === undefined
      ? {}
      : {
          tls: {
            cert: await readPemFile(tlsCert),
            key: await readPemFile(tlsKey),
            ...(clientCa === undefined ? {} : { clientCa: await readPemFile(clientCa) }),
          },
        }),
  }
}

/** @throws UsmpError INVALID_ARGUMENT */
function check({ tlsCert, tlsKey, clientCa, tokenKey, open }: ServeFlags): void {
  const faults: [boolean, string, string][] = [
    [
      (tlsCert === undefined) !== (tlsKey === undefined),
      '--tls-cert and --tls-key belong together',
      'One is the certificate, the other its private key.',
    ],
    [
      clientCa !== undefined && tlsCert === undefined,
      '--client-ca needs --tls-cert and --tls-key',
      'Certificates of peers are a part of TLS. Behind a proxy, let the proxy ask for them.',
    ],
    [
      tokenKey === undefined && open !== true,
      'it is not said who may use the relay',
      'Give --token-key FILE (`usmp keygen psk --out FILE` makes one), or --open for everybody who can reach it.',
    ],
    [
      tokenKey !== undefined && open === true,
      '--token-key and --open exclude each other',
      'Either peers need a token, or everybody may meet here.',
    ],
  ]
  for (const [isFault, message, hint] of faults) if (isFault) throw new UsmpError('INVALID_ARGUMENT', message, { hint })
}

function tellStarted(
  { url, metricsUrl, limits }: Relay,
  { tokenKey, clientCa, open, trustProxy }: ServeFlags,
  output: Output,
): void {
  const address = url.pathname === '/relay' ? url.href.slice(0, -'/relay'.length) : url.href
  const dialed = trustProxy ? 'wss://NAME' : address.replace(EVERYWHERE, '//NAME')
  output.status(
    `listening on ${address}`,
    { event: 'listening', url: address, metrics: metricsUrl?.href ?? null, limits },
    [
      ...(metricsUrl ? [`metrics on ${metricsUrl}`] : []),
      ...(clientCa === undefined ? [] : ['It takes peers with a certificate of your authority.']),
      ...(open ? ['It takes everybody who can reach it.'] : ['Peers need a token. This makes one:']),
      ...(tokenKey === undefined ? [] : [`  usmp relay token --token-key ${tokenKey} --days 30`]),
      `Two peers meet here${dialed === address ? '' : ', with the name in its certificate for NAME'}; the second command is shown by the first:`,
      `  usmp relay peer --relay ${dialed}${tokenKey === undefined ? '' : ' --token-file FILE'} --new-code`,
    ].join('\n  '),
  )
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) return resolve()
    signal.addEventListener('abort', () => resolve(), { once: true })
  })
}
