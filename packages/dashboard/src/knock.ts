import type { Knock } from '@usmp/gateway/contract'

/** Where a proof came from; each attempt over TCP has a port of its own. */
export const hostOf = ({ address }: Pick<Knock, 'address'>): string => address.replace(/:\d+$/, '')

/** Whether two proofs came the same way. Who has looked at one has then looked at the other. */
export function sameWay(one: Knock, other: Knock): boolean {
  return hostOf(one) === hostOf(other) && one.carrier === other.carrier
}
