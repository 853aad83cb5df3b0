import { UsmpError } from '@usmp/core'
import type { BrokerOptions } from '@usmp/mqtt'
import { type EmbeddedBroker, startEmbeddedBroker } from '@usmp/mqtt/embedded-broker'
import { HomeAssistantBridge } from '../bridge/home-assistant.js'
import { type Gateway, startGateway } from '../gateway.js'
import { type HttpServer, startHttp } from '../http/server.js'
import { layout } from '../store/layout.js'
import { openStore } from '../store/open.js'
import type { AuditLog } from '../store/store.js'
import type { GatewayConfig } from './config.js'
import { ControlServer } from './control-server.js'
import { type Demo, startDemo } from './demo.js'
import { resetPassword } from './reset-password.js'

/** What a program that runs a gateway tells its user, besides what the page shows. */
export interface GatewayReports {
  /** What goes wrong without harm. */
  readonly onWarning: (message: string, cause?: unknown) => void
  /** The broker of the home is reached, or why not. */
  readonly onHomeBroker?: (reason: string | null) => void
}

/** A gateway that runs, with its page. */
export interface RunningGateway {
  readonly gateway: Gateway
  /** Who did what. */
  readonly audit: Pick<AuditLog, 'page'>
  readonly page: Pick<HttpServer, 'url' | 'setupUrl' | 'notice'>
  /** Where devices reach the embedded broker; null if there is none. */
  readonly embeddedBroker: string | null
  readonly demo: Pick<Demo, 'known' | 'unknown' | 'wrong'> | null
  /** Ends everything in order; sessions say BYE. Never rejects. */
  close(): Promise<void>
}

/**
 * Starts a gateway with all that belongs to it: store, embedded broker, page, bridge, and the way in for commands on this machine.
 * `usmp gateway` is this and nothing else.
 * @throws GatewayError STORE_FAILED, INVALID; UsmpError INVALID_ARGUMENT, WEAK_PSK, TRANSPORT_FAILED if a port cannot be had
 */
export async function runGateway(config: GatewayConfig, reports: GatewayReports): Promise<RunningGateway> {
  const parts = new Parts(reports.onWarning)
  try {
    return await startParts(config, reports, parts)
  } catch (error) {
    await parts.close()
    throw error
  }
}

async function startParts(config: GatewayConfig, reports: GatewayReports, parts: Parts): Promise<RunningGateway> {
  const { data, keyFile, site, page, listen, masterKey, publisherKeys, updateRate, webhook, homeAssistant, announce } =
    config
  const { onWarning, onHomeBroker } = reports
  const store = await openStore(data, keyFile === undefined ? {} : { keyFile })
  parts.add(store)
  for (const warning of store.warnings) onWarning(warning)

  const embedded = await embeddedBrokerOf(config, parts)
  const broker = brokerOf(config, embedded)
  const gateway = await startGateway({
    ...listen,
    store,
    site,
    images: layout(data).images,
    ...(publisherKeys ? { publisherKeys } : {}),
    ...(updateRate === undefined ? {} : { updateRate }),
    onWarning,
    ...(broker ? { mqtt: broker } : {}),
    ...(masterKey ? { masterKey } : {}),
    ...(webhook ? { webhook } : {}),
    ...(announce ? { announce: { ...announce, ...announcedBroker(embedded, config) } } : {}),
  })
  parts.add(gateway)

  const onError = (error: unknown) => onWarning('a fault of the page or the HTTP API', error)
  const http = await onPort(config, page.port, (port) =>
    startHttp({ ...page, port, operations: gateway, store, folder: data, onError }),
  ).catch((error) => {
    throw listenError(error, page)
  })
  parts.add(http)

  const control = await ControlServer.start(data, {
    setup: () => http.renewSetupUrl(),
    api: () => JSON.stringify(http.local),
    resetPassword: (name) => resetPassword(store, name),
  })
  if (control) parts.add(control)
  else onWarning(`commands such as \`usmp gateway setup\` cannot reach a gateway that runs in ${data}`)

  if (homeAssistant) {
    parts.add(
      new HomeAssistantBridge(gateway, homeAssistant, ({ connected, reason }) =>
        onHomeBroker?.(connected ? null : reason),
      ),
    )
  }
  const demo =
    config.demo && embedded ? await startDemo(data, gateway, { url: embedded.url }, site, publisherKeys) : null
  if (demo) parts.add(demo)

  return {
    gateway,
    audit: store.audit,
    page: http,
    embeddedBroker: embedded?.url ?? null,
    demo,
    close: () => parts.close(),
  }
}

async function embeddedBrokerOf(config: GatewayConfig, parts: Parts): Promise<EmbeddedBroker | undefined> {
  const { broker, site } = config
  if (!broker || !('embedded' in broker)) return undefined
  const { host, port: wanted } = broker.embedded
  const embedded = await onPort(config, wanted, (port) => startEmbeddedBroker({ host, port, site }))
  parts.add(embedded)
  return embedded
}

/** Starts something on the port that is wanted, or on a free one if it is taken and that may be. */
async function onPort<T>(
  { elseFreePorts }: GatewayConfig,
  wanted: number,
  start: (port: number) => Promise<T>,
): Promise<T> {
  try {
    return await start(wanted)
  } catch (error) {
    const { code, cause } = error as NodeJS.ErrnoException
    const isTaken = [code, (cause as NodeJS.ErrnoException | undefined)?.code].includes('EADDRINUSE')
    if (!isTaken || !elseFreePorts) throw error
    return start(0)
  }
}

function brokerOf({ broker }: GatewayConfig, embedded: EmbeddedBroker | undefined): BrokerOptions | undefined {
  return embedded?.gateway ?? (broker && 'external' in broker ? broker.external : undefined)
}

/** Where devices reach the embedded broker; nothing if it is another one, whose address is no business of ours. */
function announcedBroker(embedded: EmbeddedBroker | undefined, { broker }: GatewayConfig) {
  if (!embedded || !broker || !('embedded' in broker)) return {}
  return { broker: { host: broker.embedded.host, port: Number(new URL(embedded.url).port) } }
}

/** In words for people, where a port of the page cannot be had. */
function listenError(error: NodeJS.ErrnoException, { host, port }: GatewayConfig['page']): unknown {
  const reasons: Readonly<Record<string, string>> = {
    EADDRINUSE: 'another program uses this port',
    EADDRNOTAVAIL: 'this machine does not have this address',
    EACCES: 'ports below 1024 need rights that this program does not have',
    ENOTFOUND: 'nobody knows this name',
  }
  const reason = reasons[error.code ?? '']
  if (reason === undefined) return error
  return new UsmpError('TRANSPORT_FAILED', `the page cannot be at ${host}:${port}: ${reason}`, {
    cause: error,
    hint: 'Choose another place for it, as --listen 127.0.0.1:8701; port 0 takes a free one.',
  })
}

/** What was started, to be ended in the opposite order. */
class Parts {
  readonly #started: { close(): Promise<void> }[] = []
  readonly #onWarning: GatewayReports['onWarning']
  #closing: Promise<void> | undefined

  constructor(onWarning: GatewayReports['onWarning']) {
    this.#onWarning = onWarning
  }

  add(part: { close(): Promise<void> }): void {
    this.#started.push(part)
  }

  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  async #close(): Promise<void> {
    for (const part of this.#started.reverse()) {
      try {
        await part.close()
      } catch (error) {
        this.#onWarning('a part of the gateway did not end well', error)
      }
    }
  }
}
