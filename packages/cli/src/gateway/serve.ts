import type { GatewayConfig, RunningGateway } from '@usmp/gateway/program'
import { ExitCode } from '../exit-code.js'
import type { Output } from '../output.js'
import type { Stop } from '../stop.js'
import { type GatewayFlags, gatewayConfig } from './config.js'
import { loadProgram } from './package.js'

/** Runs a gateway until it is stopped. */
export async function gatewayServeCommand(flags: GatewayFlags, output: Output, stop: Stop): Promise<number> {
  const config = await gatewayConfig(flags)
  const { runGateway } = await loadProgram()
  const running = await runGateway(config, {
    onWarning: (message, cause) => output.warning(cause === undefined ? message : `${message}: ${textOf(cause)}`),
    onHomeBroker: (reason) => tellHomeBroker(reason, output),
  })
  try {
    tellStarted(running, config, output)
    tellSetup(running, config, output)
    await aborted(stop.signal)
  } finally {
    await running.close()
    config.masterKey?.fill(0)
  }
  return ExitCode.OK
}

function tellStarted({ gateway, page, embeddedBroker }: RunningGateway, { data }: GatewayConfig, output: Output): void {
  const { site, version, listeners } = gateway.system()
  const ways = listeners.map(({ carrier, address }) =>
    carrier === 'mqtt' && embeddedBroker ? `${embeddedBroker}, the embedded broker` : `${carrier} ${address}`,
  )
  output.status(
    `gateway ${version}, site "${site}"`,
    { event: 'started', version, site, page: page.url, data, listeners, notice: page.notice },
    [`page     ${page.url}`, ...ways.map((way) => `devices  ${way}`), `data     ${data}`].join('\n  '),
  )
  if (page.notice) output.status(page.notice, { event: 'notice', message: page.notice })
}

/**
 * The link for the first user is for a person at a terminal. In the log of a daemon it would stay; `usmp gateway setup` gives one
 * there.
 */
function tellSetup({ page, demo }: RunningGateway, { data }: GatewayConfig, output: Output): void {
  const link = process.stderr.isTTY || demo ? page.setupUrl : null
  if (demo) return tellDemo(demo, page.setupUrl ?? page.url, page.setupUrl !== null, output)
  if (link) {
    const text = 'Open this link, and choose a name and a password. It works once, for 15 minutes:'
    return output.status(text, { event: 'setup', url: link }, link)
  }
  if (page.setupUrl) {
    output.status(
      'there is no user yet',
      { event: 'setup', url: null },
      `usmp gateway setup --data ${data}\nprints the link that makes the first one.`,
    )
  }
}

function tellDemo(
  { known, unknown, wrong }: NonNullable<RunningGateway['demo']>,
  link: string,
  isSetup: boolean,
  output: Output,
): void {
  const fields = { event: 'demo', url: link, setup: isSetup, known, unknown: unknown.deviceId, key: unknown.key, wrong }
  const first = isSetup
    ? '1. Open this link, and choose a name and a password. It works once, for 15 minutes:'
    : '1. Open the page and log in:'
  output.status(
    'Three simulated sensors are running. One waits for you:',
    fields,
    [
      first,
      `   ${link}`,
      `2. Press "Join" and open the window for 5 minutes. The sensor ${unknown.deviceId} appears there.`,
      '3. Press "Approve" and paste its key, as it would stand on its label:',
      `   ${unknown.key}`,
      '   Its curves begin at once.',
      `The sensor ${known} is registered already. ${wrong} has a wrong key, as an impostor would: attempts are counted as wrong keys.`,
      'Ctrl-C ends the gateway.',
    ].join('\n  '),
  )
}

function tellHomeBroker(reason: string | null, output: Output): void {
  const text = reason === null ? 'the broker of the home is reached' : `the broker of the home: ${reason}`
  output.status(text, { event: 'home-broker', connected: reason === null, reason })
}

function textOf(cause: unknown): string {
  return cause instanceof Error ? cause.message : String(cause)
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) return resolve()
    signal.addEventListener('abort', () => resolve(), { once: true })
  })
}
