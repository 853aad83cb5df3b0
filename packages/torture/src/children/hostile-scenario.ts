// One attack: a server, good clients and attackers, each in a process of its own.

import { Child } from '../children.js'
import { attacks } from '../hostile/attacks/index.js'
import type { GoodFigures, Outcome, Sent, ServerFigures } from '../hostile/results.js'
import { serveCommands } from './control-channel.js'

export interface ScenarioOptions {
  readonly attack: string
  /** ms of watching the good clients: without, and with the attack. */
  readonly without: number
  readonly under: number
  /** Floods leave the machine time for everybody. */
  readonly gentle: boolean
}

async function play({ attack, without, under, gentle }: ScenarioOptions): Promise<Outcome> {
  const children: Child[] = []
  const start = (name: 'server' | 'good' | 'attacker') => {
    const child = new Child(`hostile-${name}`)
    children.push(child)
    return child
  }
  try {
    const [server, good, attacker] = [start('server'), start('good'), start('attacker')]
    const ports = await server.ask<{ tcp: number; udp: number }>('ports')
    // Whether they are served is not to depend on what else the machine has to do.
    await good.ask('begin', gentle ? { ...ports, patience: 60_000 } : ports)
    const calm = await good.ask<GoodFigures>('watch', without)
    const before = await server.ask<ServerFigures>('figures')
    const goodUdp = await server.ask<number[]>('goodUdpPorts')
    await attacker.ask('begin', { ...ports, attack, goodUdp, gentle })
    const found = await good.ask<GoodFigures>('watch', under)
    const sent = await attacker.ask<Sent>('sent')
    await attacker.kill()
    const after = await server.ask<ServerFigures>('figures')
    const closed = await server.ask<boolean>('close')
    const { what } = attacks.find(({ name }) => name === attack)!
    return { attack, what, seconds: under / 1000, without: calm, under: found, sent, before, after, closed }
  } finally {
    await Promise.all(children.map((child) => child.kill()))
  }
}

await serveCommands({ play })
