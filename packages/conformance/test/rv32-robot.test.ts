import { randomBytes } from 'node:crypto'
import { setTimeout } from 'node:timers/promises'
import { listen, type Server } from '@usmp/node'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { buildImage, Chip } from '../src/chip.js'
import { PlainPeer } from '../src/json-rpc.js'
import { testRobot } from '../src/robot-behaviour.js'

const id = '02:c0:ff:ee:00:02'
const psk = new Uint8Array(randomBytes(32))

/** In the order of a chip's life: it is switched on once and never reset. */
describe('the C robot on an emulated rv32imc chip, over COBS on its UART', () => {
  let chip: Chip
  let hub: Server
  let peer: PlainPeer

  async function startHub(): Promise<void> {
    hub = await listen({ serial: { name: 'uart', open: () => chip.open() }, psk: { [id]: psk } })
    for await (const session of hub) {
      peer = new PlainPeer(session)
      return
    }
  }

  beforeAll(async () => {
    chip = new Chip(buildImage('robot.sh'), id, psk)
    await startHub()
  }, 600_000)
  afterAll(async () => {
    await hub?.close()
    await chip?.powerOff()
  })

  testRobot('rv32', () => peer, 10)

  test('a hub that comes back finds it stopped', async () => {
    const before = await peer.report()
    await peer.command('drive', { v: 0.5, w: 0 })
    await peer.report(({ v }) => v > 0)
    await hub.close()
    await startHub()
    const { n, x, v, w, state } = await peer.report()
    expect(n).toBeGreaterThan(before.n)
    expect({ v, w, state }).toEqual({ v: 0, w: 0, state: 'deadman' })
    expect(x - before.x).toBeLessThan(0.5)
    expect(await peer.command('drive', { v: 0.1, w: 0 })).toEqual({ v: 0.1, w: 0 })
    await peer.command('stop')
  })

  test('garbage on its line changes nothing', async () => {
    for (let i = 0; i < 10; i++) {
      chip.disturb(Buffer.concat([Buffer.from('login: \0{"jsonrpc":"2.0","method":"drive"}\0'), randomBytes(500)]))
      chip.disturb(Uint8Array.of(0))
      expect(await peer.command('drive', { v: 0, w: 0 })).toEqual({ v: 0, w: 0 })
    }
  })

  test('nothing that is said crosses the line in clear', async () => {
    await peer.call('chat', { from: 'Ann', text: 'a secret of ours' })
    expect(chip.line).toMatch(/RoboLink robot, bare metal/)
    for (const word of ['telemetry', 'battery', 'jsonrpc', 'secret of ours']) expect(chip.line).not.toContain(word)
  })

  test('after a goodbye it rests', async () => {
    const params = { code: 'REPLACED', message: 'the same device opened a newer session' }
    await peer.session.send(JSON.stringify({ jsonrpc: '2.0', method: 'goodbye', params }))
    await peer.session.close()
    while (!/the hub said goodbye: REPLACED\r\n/.test(chip.line)) await setTimeout(20)
    const { length } = chip.line
    // Four times its pause between two sessions.
    await setTimeout(2000)
    expect(chip.line.length).toBe(length)
  })
})
