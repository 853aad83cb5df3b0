import type { CipherSuite, Connection, CryptoProvider } from '@usmp/core'
import { fromHex, toHex } from '@usmp/core'
import { expect } from 'vitest'
import { codeThrownBy } from './failures.js'
import { connectWith, LoadedRandom, windOn } from './fixed-session.js'
import type { Side } from './pair.js'
import type { Case } from './vectors.js'

/** The parameters of a group of scripts. */
export interface ScriptParams {
  readonly suite: CipherSuite
  readonly session_id: string
  readonly k_c2s: string
  readonly k_s2c: string
  /** The next number of each direction when the script begins. */
  readonly c2s_seq: number
  readonly s2c_seq: number
}

interface Step {
  readonly do: 'receive' | 'send' | 'ping' | 'close' | 'rekey'
  readonly side: Side
  readonly at: number
  readonly input: string
  readonly messages: string[]
  readonly sends: string[]
  readonly end: string
  readonly refused: string
}

export interface Script extends Case {
  readonly steps: readonly Step[]
}

/** Plays a script of vectors/ on two connections and compares what each step says and sends. */
export function playScript(provider: CryptoProvider, params: ScriptParams, script: Script, windOnFirst = true): void {
  const random = { client: new LoadedRandom(), server: new LoadedRandom() }
  const session = {
    suite: params.suite,
    sessionId: fromHex(params.session_id),
    clientToServer: fromHex(params.k_c2s),
    serverToClient: fromHex(params.k_s2c),
  }
  const ends = connectWith(provider, session, { random })
  if (windOnFirst) {
    windOn(ends.client, ends.server, params.c2s_seq)
    windOn(ends.server, ends.client, params.s2c_seq)
  }
  script.steps.forEach((step, index) => {
    if (step.do === 'rekey') random[step.side].load(fromHex(step.input))
    const refused = codeThrownBy(() => perform(ends[step.side], step))
    const seen = { ...drain(ends[step.side]), refused: refused === 'no error' ? '' : refused }
    const { messages, sends, end } = step
    expect(seen, `step ${index}: ${step.side} ${step.do}`).toEqual({ messages, sends, end, refused: step.refused })
  })
}

function perform(connection: Connection, step: Step): void {
  switch (step.do) {
    case 'receive':
      return connection.receive(fromHex(step.input), step.at)
    case 'send':
      return connection.send(fromHex(step.input), step.at)
    case 'ping':
      return connection.ping(step.at)
    case 'close':
      return connection.close()
    case 'rekey':
      return connection.rekey(step.at)
    default:
      return step.do satisfies never
  }
}

function drain(connection: Connection): { messages: string[]; sends: string[]; end: string } {
  const sends: string[] = []
  const messages: string[] = []
  let end = ''
  for (let bytes = connection.pollTransmit(); bytes; bytes = connection.pollTransmit()) sends.push(toHex(bytes))
  for (let event = connection.pollEvent(); event; event = connection.pollEvent()) {
    if (event.kind === 'message') messages.push(toHex(event.data))
    if (event.kind === 'closed') end = event.reason.code
  }
  return { messages, sends, end }
}
