import type { Found, Role, Search } from '@usmp/discovery'
import { ExitCode, Unanswered } from '../exit-code.js'
import type { Output } from '../output.js'
import type { Stop } from '../stop.js'
import { loadDiscovery } from './package.js'
import { type SearchFlags, searchOptions } from './place.js'
import { fields, line, table } from './table.js'

/** Of `usmp discover`, as they stand on the command line. */
export interface DiscoverFlags extends SearchFlags {
  readonly gateways?: boolean
  readonly devices?: boolean
  readonly site?: string
  readonly watch?: boolean
  /** ms */
  readonly timeout: number
}

/** Looks for gateways and devices, and says what is there; with `--watch` also what comes and goes, until it is stopped. */
export async function discoverCommand(flags: DiscoverFlags, output: Output, stop: Stop): Promise<number> {
  const { discover } = await loadDiscovery()
  const roles = rolesOf(flags)
  const search = discover({
    ...searchOptions(flags),
    roles,
    timeout: flags.watch ? 0 : flags.timeout,
    signal: stop.signal,
    ...(flags.site === undefined ? {} : { site: flags.site }),
  })
  if (flags.watch) return watch(search, output)
  const found = await searchAll(search)
  if (found.length > 0) {
    await tell(found, output)
    await tellFaults(search, output)
    return ExitCode.OK
  }
  if (stop.signal.aborted) return stop.exitCode
  throw await nothingFound(search, roles, flags, output.json ? ' ' : '\n  ')
}

async function watch(search: Search, output: Output): Promise<number> {
  const known = new Set<string>()
  for await (const found of search) {
    const key = `${found.role} ${found.instance} ${found.site}`
    const event = found.gone ? 'gone' : known.has(key) ? 'changed' : 'found'
    if (found.gone) known.delete(key)
    else known.add(key)
    await output.result(`${event}: ${line(found, Date.now())}`, { event, ...fields(found) })
  }
  return ExitCode.OK
}

/** What is there at the end: something that came and went is not. */
async function searchAll(search: Search): Promise<readonly Found[]> {
  let last: readonly Found[] = []
  for await (const _ of search) last = search.found
  return last.length > 0 ? search.found : []
}

async function tell(found: readonly Found[], output: Output): Promise<void> {
  if (!output.json) return output.result(table(found, Date.now()), {})
  for (const peer of found) await output.result('', { event: 'found', ...fields(peer) })
}

/** What could not be done, also where something was found: more may be there. */
async function tellFaults(search: Search, output: Output): Promise<void> {
  for (const { where, reason } of search.tried.faults) output.warning(`${where}: ${reason}`)
}

async function nothingFound(
  search: Search,
  roles: readonly Role[],
  { site }: DiscoverFlags,
  separator: string,
): Promise<Unanswered> {
  const { whyNothing } = await loadDiscovery()
  const { summary, faults, advice } = whyNothing(search.tried, roles)
  const what = `no ${roles.join(' and no ')}${site === undefined ? '' : ` of the site "${site}"`}`
  return new Unanswered('NO_ANSWER', `${what} answered; ${summary}`, [...faults, ...advice].join(separator))
}

function rolesOf({ gateways, devices }: DiscoverFlags): Role[] {
  if (!devices) return ['gateway']
  return gateways ? ['gateway', 'device'] : ['device']
}
