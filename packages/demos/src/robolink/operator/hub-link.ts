import { reconnecting, UsmpError } from '@usmp/core'
import { type ConnectOptions, connect, nodeClock, type Session } from '@usmp/node'
import { type NotificationHandlers, type Peer, rpc } from '@usmp/rpc'
import { operatorApi, operatorHubApi } from '../contract.js'

/** The hub, as an operator talks to it. */
export type HubPeer = Peer<typeof operatorHubApi>

/** ms of silence after which we ask the hub whether it is there, and after which we take it that it is not. */
const KEEPALIVE = 1_000
const IDLE_TIMEOUT = 3_000
/** A hub that knew us, and then refuses us so often in a row, does not know us any more. */
const MAX_REFUSALS = 5

export interface HubLinkOptions {
  readonly place: URL
  readonly deviceId: string
  readonly psk: Uint8Array
  /** For wss: the hub's certificate, PEM. */
  readonly ca?: Uint8Array | undefined
  readonly signal: AbortSignal
  readonly onRetry: (reason: UsmpError, pause: number) => void
}

/**
 * The hub again and again: one peer for every session, the next one when the last has ended. The first attempt is the only
 * one: who gets in once is worth waiting for later.
 * @throws UsmpError of the first attempt; of a later one that repeating does not help; REPLACED if another session of this
 * operator took the place
 */
export async function* hubs(
  options: HubLinkOptions,
  notifications: NotificationHandlers<typeof operatorApi>,
): AsyncGenerator<{ peer: HubPeer; session: Session }, void, undefined> {
  const { place, deviceId, psk, ca, signal, onRetry } = options
  const settings: ConnectOptions = {
    deviceId,
    psk,
    signal,
    keepalive: KEEPALIVE,
    idleTimeout: IDLE_TIMEOUT,
    ...(ca ? { ca } : {}),
  }
  let first: Session | undefined = await connect(place, settings)
  const again = async () => {
    const session = first ?? (await connect(place, settings))
    first = undefined
    return session
  }
  let goodbye: UsmpError | undefined
  const onGoodbye = ({ code, message }: { code: string; message: string }) => {
    if (code === 'REPLACED')
      goodbye = new UsmpError('REPLACED', message, { hint: 'Give every operator an id of its own.' })
  }
  const reconnection = { clock: nodeClock, jitter: Math.random, signal, onRetry, maxRefusals: MAX_REFUSALS }
  for await (const session of reconnecting(again, reconnection)) {
    const peer = rpc(session, {
      serves: operatorApi,
      calls: operatorHubApi,
      notifications: { ...notifications, goodbye: onGoodbye },
    })
    yield { peer, session }
    await peer.closed
    if (goodbye) throw goodbye
  }
}
