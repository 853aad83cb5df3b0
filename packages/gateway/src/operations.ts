import type { GenericSchema, InferOutput } from 'valibot'
import type { Actor } from './actor.js'
import type * as commands from './contract/commands.js'
import type { Device } from './contract/device.js'
import type { LiveMessage } from './contract/live.js'
import type * as rollouts from './contract/rollouts.js'
import type { SystemInfo } from './contract/system.js'
import type { Resolution, Series } from './contract/telemetry.js'

/** The body of a command, as `contract/commands.ts` has it. */
export type Body<S extends keyof typeof commands> = (typeof commands)[S] extends GenericSchema
  ? InferOutput<(typeof commands)[S]>
  : never
/** The body of a command, as `contract/rollouts.ts` has it. */
export type RolloutBody<S extends 'startRollout' | 'pauseRollout' | 'resumeRollout' | 'abortRollout' | 'retryRollout'> =
  InferOutput<(typeof rollouts)[S]>
type Import = InferOutput<typeof commands.importResult>

/**
 * What a person or a script can do with the gateway, whoever calls: the HTTP API, the command line, a program that embeds it.
 * Every command checks the role of its actor, and writes the audit log in the same transaction as the change.
 * All throw GatewayError; each says in the table of `contract/errors.ts` what its codes mean.
 */
export interface Operations {
  devices(): readonly Device[]
  /** @throws GatewayError NOT_FOUND */
  device(id: string): Device
  checkKey(actor: Actor, id: string, body: Body<'checkKey'>): Promise<InferOutput<typeof commands.keyCheck>>
  approve(actor: Actor, id: string, body: Body<'approve'>): Promise<Device>
  register(actor: Actor, body: Body<'register'>): Promise<Device>
  importDevices(actor: Actor, body: Body<'importDevices'>): Promise<Import>
  change(actor: Actor, id: string, body: Body<'change'>): Promise<Device>
  star(actor: Actor, id: string, body: Body<'star'>): Promise<Device>
  /** Resolves when the key is wiped durably and the session has ended. */
  revoke(actor: Actor, id: string, body: Body<'revoke'>): Promise<Device>
  remove(actor: Actor, id: string, body: Body<'remove'>): Promise<void>
  block(actor: Actor, id: string, body: Body<'block'>): Promise<Device>
  unblock(actor: Actor, id: string, body: Body<'unblock'>): Promise<void>
  /** @returns the device under its new id */
  replace(actor: Actor, id: string, body: Body<'replace'>): Promise<Device>
  /** Takes a waiting row off the list; it comes back with the next knock. */
  dismiss(actor: Actor, id: string): Promise<void>
  ping(actor: Actor, id: string): Promise<InferOutput<typeof commands.pingResult>>
  request(actor: Actor, id: string, body: Body<'request'>): Promise<commands.RequestOutcome>
  /** Newest first; at most 50, and none from before a restart. @throws GatewayError NOT_FOUND */
  requests(id: string): readonly commands.RequestOutcome[]
  series(id: string, reading: string, options: { resolution: Resolution; from?: number; to?: number }): Promise<Series>
  joinWindow(): commands.JoinWindow
  openJoin(actor: Actor, body: Body<'openJoin'>): Promise<commands.JoinWindow>
  closeJoin(actor: Actor): Promise<commands.JoinWindow>
  /** Signed images that are kept, newest first. */
  images(): readonly rollouts.Image[]
  /**
   * Takes a bundle: a signed manifest with its image behind it. One that is kept already is taken again, which repairs its file.
   * @throws GatewayError INVALID, TOO_LARGE, WRONG_STATE if the gateway keeps no images or has no room, STORE_FAILED
   */
  addImage(actor: Actor, bundle: AsyncIterable<Uint8Array>): Promise<rollouts.Image>
  /** @throws GatewayError NOT_FOUND, WRONG_STATE if a roll-out uses it */
  removeImage(actor: Actor, id: string): Promise<void>
  /** Newest first. */
  rollouts(): readonly rollouts.Rollout[]
  /** @throws GatewayError NOT_FOUND */
  rollout(id: string): rollouts.RolloutDetail
  /** @throws GatewayError NOT_FOUND if there is no such image, WRONG_STATE if another roll-out is for the same devices */
  startRollout(actor: Actor, body: RolloutBody<'startRollout'>): Promise<rollouts.Rollout>
  pauseRollout(actor: Actor, id: string, body: RolloutBody<'pauseRollout'>): Promise<rollouts.Rollout>
  resumeRollout(actor: Actor, id: string, body: RolloutBody<'resumeRollout'>): Promise<rollouts.Rollout>
  /** Offers and transfers end; devices that restart into the image already go on. */
  abortRollout(actor: Actor, id: string, body: RolloutBody<'abortRollout'>): Promise<rollouts.Rollout>
  retryRollout(actor: Actor, id: string, body: RolloutBody<'retryRollout'>): Promise<rollouts.Rollout>
  system(): SystemInfo
  /**
   * The access list for the broker by which devices come, as `usmp gateway acl` writes it, for the user that this gateway is there.
   * @throws GatewayError WRONG_STATE if no broker is used, or the gateway has a user name that no access list can hold
   */
  brokerAcl(broker: 'mosquitto' | 'emqx'): string
  /** A snapshot, then every change: what the live socket sends, but heartbeats. Bounded: a reader that is too slow gets a new snapshot. */
  live(signal: AbortSignal): AsyncIterable<LiveMessage>
}
