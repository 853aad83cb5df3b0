import { UsmpError } from '@usmp/core'
import { endOf } from '../describe.js'

/** Codes whose general sentence speaks of a peer or a frame, where the relay is meant. */
const OF_THE_RELAY: readonly UsmpError['code'][] = ['UNREACHABLE', 'TRUNCATED', 'REPLACED']
const UNREACHABLE = new UsmpError('UNREACHABLE')
/** The address of the relay is told beside it. */
const ADDRESS = /^wss?:\/\/\S+: /

/** Why a relay was not reached or left, in a few words for people. */
export function reasonOf(error: UsmpError): string {
  const general = `${new UsmpError(error.code).message}: `
  if (!OF_THE_RELAY.includes(error.code) || !error.message.startsWith(general)) return endOf(error)
  return `${error.message.slice(general.length).replace(ADDRESS, '')} [${error.code}]`
}

/** What to do about it. */
export function relayHint({ hint }: UsmpError): string {
  return hint === UNREACHABLE.hint
    ? 'Is the relay running, and is its address right? With TLS it begins with wss://, without with ws://.'
    : hint
}
