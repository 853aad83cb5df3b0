import { setTimeout as sleep } from 'node:timers/promises'
import { UsmpError } from '@usmp/core'
import type { Rollout, RolloutSettings, RolloutTarget } from '@usmp/gateway/contract'
import type { GatewayClient } from '@usmp/gateway/program'
import { ExitCode } from '../exit-code.js'
import type { Output } from '../output.js'
import type { Stop } from '../stop.js'
import { readBundle } from './files.js'
import { type GatewayPlaceFlags, openGateway } from './gateway-place.js'
import { deviceLine, remediesOf, rolloutLine } from './rollout-text.js'

/** ms between two looks of `--watch`. */
const LOOK = 1000

/** Of `usmp ota push`. */
export interface PushFlags extends GatewayPlaceFlags {
  readonly name?: string
  readonly group?: string
  readonly device?: readonly string[]
  readonly canary?: number
  /** False: the roll-out goes on by itself after the canary. */
  readonly pause?: boolean
  readonly soak?: number
  readonly waves?: readonly number[]
  readonly parallel?: number
  readonly window?: NonNullable<RolloutSettings['window']>
  readonly watch?: boolean
}

/** Of `usmp ota status`. */
export interface StatusFlags extends GatewayPlaceFlags {
  readonly watch?: boolean
}

/** Of the commands that act on a roll-out. */
export interface ActFlags extends GatewayPlaceFlags {
  readonly reason?: string
  readonly device?: readonly string[]
}

/** Uploads a bundle, and begins its roll-out. */
export async function pushCommand(file: string, flags: PushFlags, output: Output, stop: Stop): Promise<number> {
  // A file that is no bundle is told before anything leaves.
  await readBundle(file)
  const gateway = await openGateway(flags)
  const image = await gateway.addImage(file)
  if (!image.verified) {
    output.warning(
      `the gateway does not know the publisher ${image.keyId}, so it has not checked the signature; devices do. Start it with --publisher-key to have it checked.`,
    )
  }
  const rollout = await gateway.startRollout({
    image: image.id,
    target: targetOf(flags),
    settings: settingsOf(flags),
    ...(flags.name === undefined ? {} : { name: flags.name }),
  })
  const line = rolloutLine(rollout)
  await output.result(line, { event: 'rollout', ...rollout })
  return flags.watch ? watch(gateway, rollout.id, output, stop, line) : ExitCode.OK
}

/** Tells of all roll-outs, or of one with its devices. */
export async function statusCommand(
  id: string | undefined,
  flags: StatusFlags,
  output: Output,
  stop: Stop,
): Promise<number> {
  const gateway = await openGateway(flags)
  if (flags.watch) return watch(gateway, id ?? (await newest(gateway)).id, output, stop)
  if (id !== undefined) {
    const { rollout, devices } = await gateway.rollout(id)
    const lines = [rolloutLine(rollout), ...devices.map((device) => deviceLine(device, rollout.image.size))]
    await output.result(lines.join('\n'), { event: 'rollout', ...rollout, devices })
    for (const { rule, remedy } of await remediesOf(devices))
      output.status(`${rule}: ${remedy}`, { event: 'remedy', rule, remedy })
    return ExitCode.OK
  }
  const rollouts = await gateway.rollouts()
  if (rollouts.length === 0) output.status('there are no roll-outs', { event: 'none' }, '`usmp ota push` begins one.')
  for (const rollout of rollouts) await output.result(rolloutLine(rollout), { event: 'rollout', ...rollout })
  return ExitCode.OK
}

/** Pauses, resumes, aborts a roll-out, or tries its devices again. Without an id it is the one that is not over. */
export async function actCommand(
  command: 'pause' | 'resume' | 'abort' | 'retry',
  id: string | undefined,
  { reason, device, ...place }: ActFlags,
  output: Output,
): Promise<number> {
  const gateway = await openGateway(place)
  const { id: found, rev } = id === undefined ? await onlyOne(gateway) : (await gateway.rollout(id)).rollout
  const rollout = await gateway.command(found, command, {
    rev,
    ...(reason === undefined ? {} : { reason }),
    ...(device === undefined ? {} : { ids: device }),
  })
  await output.result(rolloutLine(rollout), { event: 'rollout', ...rollout })
  return ExitCode.OK
}

/**
 * Tells each change until the roll-out is done, or stands.
 * @param told the line that was told last
 */
async function watch(gateway: GatewayClient, id: string, output: Output, stop: Stop, told?: string): Promise<number> {
  let last = told
  while (!stop.signal.aborted) {
    const { rollout } = await gateway.rollout(id)
    const line = rolloutLine(rollout)
    if (line !== last) await output.result(line, { event: 'rollout', ...rollout })
    last = line
    if (rollout.state === 'done') return isFruitless(rollout) ? ExitCode.REFUSED : ExitCode.OK
    if (rollout.state === 'aborted' || rollout.state === 'paused') return ExitCode.REFUSED
    await sleep(LOOK, undefined, { signal: stop.signal }).catch(() => {})
  }
  return stop.exitCode
}

/** Over, and no device has the image. */
function isFruitless({ counts }: Rollout): boolean {
  return !counts.done && (counts.failed ?? 0) + (counts['rolled-back'] ?? 0) > 0
}

async function newest(gateway: GatewayClient): Promise<Rollout> {
  const [rollout] = await gateway.rollouts()
  if (rollout) return rollout
  throw new UsmpError('INVALID_ARGUMENT', 'there are no roll-outs', { hint: '`usmp ota push` begins one.' })
}

/** @throws UsmpError INVALID_ARGUMENT if there is none that is not over, or more than one */
async function onlyOne(gateway: GatewayClient): Promise<Rollout> {
  const open = (await gateway.rollouts()).filter(({ state }) => state !== 'done' && state !== 'aborted')
  const [rollout, other] = open
  if (rollout && !other) return rollout
  throw new UsmpError('INVALID_ARGUMENT', rollout ? 'there are several roll-outs' : 'no roll-out is under way', {
    hint: rollout
      ? `Name one of them: ${open.map(({ id, name }) => `${id} (${name})`).join(', ')}.`
      : '`usmp ota status` lists those that are over; name one by its id.',
  })
}

function targetOf({ group, device }: PushFlags): RolloutTarget {
  if (device !== undefined) return { kind: 'devices', ids: [...device] }
  return group === undefined ? { kind: 'all' } : { kind: 'group', group }
}

function settingsOf({ canary, pause, soak, waves, parallel, window }: PushFlags): Partial<RolloutSettings> {
  return {
    ...(canary === undefined ? {} : { canary }),
    ...(pause === false ? { pauseAfterCanary: false } : {}),
    ...(soak === undefined ? {} : { soak }),
    ...(waves === undefined ? {} : { waves: [...waves] }),
    ...(parallel === undefined ? {} : { maxParallel: parallel }),
    ...(window === undefined ? {} : { window }),
  }
}
