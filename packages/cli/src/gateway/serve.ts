import type { Device } from '@usmp/gateway/contract'
import type { GatewayConfig, RunningGateway } from '@usmp/gateway/program'
import { ExitCode } from '../exit-code.js'
import type { Output } from '../output.js'
import type { Stop } from '../stop.js'
import { type GatewayFlags, gatewayConfig } from './config.js'
import { type DemoPlace, demoSteps } from './demo-steps.js'
import { GatewayLog } from './log.js'
import { loadProgram } from './package.js'

/** Runs a gateway until it is stopped. */
export async function gatewayServeCommand(flags: GatewayFlags, output: Output, stop: Stop): Promise<number> {
  const config = await gatewayConfig(flags)
  const { runGateway } = await loadProgram()
  const running = await runGateway(config, {
    onWarning: (message, cause) => output.warning(cause === undefined ? message : `${message}: ${textOf(cause)}`),
    onHomeBroker: (reason) => tellHomeBroker(reason, output),
  })
  const log = new GatewayLog(running, (text, fields) => output.status(text, fields))
  try {
    tellStarted(running, config, output)
    tellSetup(running, config, output)
    void log.run().catch((error) => output.warning(`what happens is not told any more: ${textOf(error)}`))
    await aborted(stop.signal)
  } finally {
    log.stop()
    await running.close()
    config.masterKey?.fill(0)
  }
  return ExitCode.OK
}

function tellStarted({ gateway, page, embeddedBroker }: RunningGateway, { data }: GatewayConfig, output: Output): void {
  const { site, version, listeners, announced } = gateway.system()
  const ways = listeners.map(({ carrier, address }) =>
    carrier === 'mqtt' && embeddedBroker ? `${embeddedBroker}, the embedded broker` : `${carrier} ${address}`,
  )
  const found = announced
    ? [`found    as usmp-${announced.instance} on ${announced.interfaces.join(', ') || 'no interface'}`]
    : []
  output.status(
    `gateway ${version}, site "${site}"`,
    { event: 'started', version, site, page: page.url, data, listeners, announced, notice: page.notice },
    [`page     ${page.url}`, ...ways.map((way) => `devices  ${way}`), ...found, `data     ${data}`].join('\n  '),
  )
  if (page.notice) output.status(page.notice, { event: 'notice', message: page.notice })
}

/**
 * The link for the first user is for a person at a terminal. In the log of a daemon it would stay; `usmp gateway setup` gives one
 * there.
 */
function tellSetup({ gateway, page, demo }: RunningGateway, { data }: GatewayConfig, output: Output): void {
  const link = process.stderr.isTTY || demo ? page.setupUrl : null
  if (demo) {
    const place = { link: page.setupUrl ?? page.url, isSetup: page.setupUrl !== null, data }
    return tellDemo(demo, gateway.devices(), place, output)
  }
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
  demo: NonNullable<RunningGateway['demo']>,
  devices: readonly Device[],
  place: DemoPlace,
  output: Output,
): void {
  const { known, unknown, wrong } = demo
  const { waits, text, lines } = demoSteps(demo, devices, place)
  const { link: url, isSetup: setup } = place
  const fields = { event: 'demo', url, setup, waits, known, unknown: unknown.deviceId, key: unknown.key, wrong }
  output.status(text, fields, lines.join('\n  '))
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
