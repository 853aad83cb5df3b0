import type { Role } from './facts.js'
import type { Tried } from './search-report.js'

/** Why a search may have found nothing, for people. */
export interface WhyNothing {
  /** What was tried, in one line. */
  readonly summary: string
  /** What could not be done, each in a line. */
  readonly faults: readonly string[]
  /** Sentences: why nothing may come, and what to do. */
  readonly advice: readonly string[]
}

/** Virtual interfaces of containers: what is behind them is not the network of the house. */
const CONTAINER = /^(docker|br-|veth|cni|podman|virbr)/
/** The only network of a container by Docker's default. */
const CONTAINER_NETWORK = /^172\.(1[7-9]|2[0-9]|3[01])\./

/**
 * Explains a search that found nothing (or not what was wanted) by what it did.
 * @param roles who was searched
 */
export function whyNothing(
  { networks, hosts, faults, ignored, dropped }: Tried,
  roles: readonly Role[] = ['gateway'],
): WhyNothing {
  const asked = networks.map(
    ({ interface: name, cidr, mdns, udp }) => `${name} (${cidr}) ${count(mdns, 'mDNS')} and ${count(udp, 'UDP')}`,
  )
  const alone = hosts.map(({ host, queries }) => `${host} ${count(queries, 'UDP')}`)
  const parts = [...asked, ...alone]
  const advice: string[] = []
  if (parts.length === 0) {
    advice.push('This machine has no network to ask in, or none of the interfaces that were named.')
  } else {
    if (roles.includes('gateway')) {
      advice.push('Is the gateway running, and does it announce itself (usmp gateway --announce)?')
    }
    if (roles.includes('device')) advice.push('Is the device on, and was it built to be found? Few devices are.')
    advice.push(
      'Multicasts and broadcasts stop at routers, VLANs and guest networks, and some access points and firewalls block them.',
    )
    advice.push('A firewall on this machine may drop the answers: let in UDP from port 9001, and UDP 5353.')
    if (looksLikeContainer(networks)) {
      advice.push(
        'This looks like a container: its network is not the one of the house. Give it the network of the host.',
      )
    }
  }
  if (hosts.length === 0) advice.push('Ask a host directly: usmp discover --host HOST.')
  else advice.push('If a host was asked directly: is UDP port 9001 open there?')
  if (ignored > 0) advice.push(`${ignored} datagrams came that were no answer to this search.`)
  if (dropped > 0) advice.push(`${dropped} answers were dropped, as too many came: somebody floods the network.`)
  return {
    summary: parts.length > 0 ? `asked on ${parts.join(', ')}` : 'nobody could be asked',
    faults: faults.map(({ where, reason }) => `${where}: ${reason}`),
    advice,
  }
}

function count(queries: number, way: string): string {
  return `${queries} times by ${way}`
}

function looksLikeContainer(networks: Tried['networks']): boolean {
  const real = networks.filter(({ interface: name }) => !CONTAINER.test(name))
  return networks.length > 0 && real.every(({ cidr }) => CONTAINER_NETWORK.test(cidr) || cidr.includes(':'))
}
