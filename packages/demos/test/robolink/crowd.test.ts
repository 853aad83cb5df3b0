import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { expect, onTestFinished, test } from 'vitest'
import { TERMINAL, worlds } from './world.js'

const world = worlds()

/** Connections that say nothing. */
async function silent(port: number, count: number): Promise<void> {
  const sockets: Socket[] = []
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy()
  })
  for (let n = 0; n < count; n++) {
    const socket = connect(port, '127.0.0.1')
    // The hub may end it.
    socket.on('error', () => {})
    sockets.push(socket)
    await Promise.race([once(socket, 'connect'), once(socket, 'close')])
  }
}

test.each(['tcp', 'page'] as const)(
  '260 silent connections from one address to the port of %s keep no operator out',
  { timeout: 240_000 },
  async (name) => {
    const hub = await world().hub()
    world().robot(hub.tcp)
    await hub.program.says('robot-connected')
    await silent(Number(/:(\d+)\/?$/.exec(hub[name])![1]), 260)
    const ca = ['--ca', world().file('state/tls-cert.pem')]
    const page = `${hub.page.replace('https:', 'wss:')}usmp`
    const overPage = await world().say(page, ['robots'], { id: TERMINAL, args: ca })
    expect(overPage.program.all('error')).toEqual([])
    expect(overPage.program.all('robot')).toMatchObject([{ online: true }])
    const overTcp = await world().say(hub.tcp, ['robots'])
    expect(overTcp.program.all('error')).toEqual([])
    expect(overTcp.program.all('robot')).toMatchObject([{ online: true }])
  },
)
