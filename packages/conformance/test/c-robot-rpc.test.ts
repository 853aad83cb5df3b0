import { randomBytes } from 'node:crypto'
import { setTimeout } from 'node:timers/promises'
import * as robolink from '@usmp/demos/robolink-contract'
import { listen, type Server } from '@usmp/node'
import { contract, type Peer, RpcCode, rpc } from '@usmp/rpc'
import { buildCRobot, CRobot } from '@usmp/testing/c-programs'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'

const id = 'aa:bb:cc:dd:00:01'
const psk = new Uint8Array(randomBytes(32))
/** A method that the robot does not have, in good form. */
const robotApi = contract({
  ...robolink.robotApi,
  requests: { ...robolink.robotApi.requests, fly: robolink.robotApi.requests.describe },
})

describe('the C robot with @usmp/rpc and the contract of RoboLink', () => {
  let server: Server
  let robot: CRobot
  let peer: Peer<typeof robotApi>
  const telemetry: robolink.Telemetry[] = []
  const chats: string[] = []
  const faults: Error[] = []
  /** Of the last command. */
  let seq = 0

  beforeAll(async () => {
    buildCRobot()
    server = await listen({ tcp: { host: '127.0.0.1', port: 0 }, psk: { [id]: psk } })
    robot = new CRobot(`tcp:127.0.0.1:${server.port}`, id, psk, '--name', 'Rob')
    for await (const session of server) {
      peer = rpc(session, {
        serves: robolink.robotHubApi,
        calls: robotApi,
        notifications: {
          telemetry: (report) => void telemetry.push(report),
          chat: ({ text }) => void chats.push(text),
        },
        onFault: (fault) => faults.push(fault),
      })
      break
    }
  }, 600_000)
  afterAll(async () => {
    await robot?.stop()
    await server?.close()
  })

  async function report(fits: (report: robolink.Telemetry) => boolean = () => true): Promise<robolink.Telemetry> {
    for (let seen = telemetry.length; ; ) {
      while (seen < telemetry.length) {
        const next = telemetry[seen++]!
        if (fits(next)) return next
      }
      if (peer.ended) throw peer.ended
      await setTimeout(10)
    }
  }

  test('what it answers and tells fits the contract', async () => {
    expect(await peer.request('describe', {})).toEqual({ name: 'Rob', kind: 'c', maxV: 0.5, maxW: 2 })
    expect(await peer.request('drive', { seq: ++seq, v: 0.3, w: -9 }, { ttl: 300 })).toEqual({ v: 0.3, w: -2 })
    expect(await report(({ v }) => v > 0)).toMatchObject({ state: 'driving' })
    expect(await peer.request('stop', { seq: ++seq })).toEqual({})
    expect(await report(({ v }) => v === 0)).toMatchObject({ state: 'idle' })
    expect(await peer.request('chat', { from: 'Ann', text: '\u0001'.repeat(250) })).toEqual({})
    expect(await peer.request('chat', { from: 'Ann', text: 'hello robot' })).toEqual({})
    while (!chats.some((text) => text.endsWith('You said: hello robot'))) await setTimeout(10)
    expect(faults).toEqual([])
  })

  test('its errors arrive with their codes', async () => {
    await expect(peer.request('fly', {})).rejects.toMatchObject({ code: RpcCode.METHOD_NOT_FOUND })
    // Longer than one message of a session: pieces are not for devices. It says so, and the session lives.
    await expect(peer.request('chat', { from: 'Ann', text: '\u0001'.repeat(300) }, { timeout: 500 })).rejects.toThrow()
    expect(await peer.request('drive', { seq: ++seq, v: 0, w: 0 })).toEqual({ v: 0, w: 0 })
  })

  test('a request that is given up does no harm', async () => {
    const given = peer.request('describe', {}, { signal: AbortSignal.abort() })
    await expect(given).rejects.toMatchObject({ code: 'ABORTED' })
    const controller = new AbortController()
    const cancelled = peer.request('stop', { seq: ++seq }, { signal: controller.signal })
    controller.abort()
    await expect(cancelled).rejects.toMatchObject({ code: 'ABORTED' })
    expect(await peer.request('stop', { seq: ++seq })).toEqual({})
  })

  test('a command that was held up on its way is not carried out', async () => {
    expect(await peer.request('drive', { seq: ++seq, v: 0, w: 0 }, { ttl: 300 })).toEqual({ v: 0, w: 0 })
    robot.pause()
    const late = peer.request('drive', { seq: ++seq, v: 0.5, w: 0 }, { ttl: 300 })
    const patient = peer.request('describe', {}, { ttl: 60_000 })
    await setTimeout(1000)
    robot.resume()
    await expect(late).rejects.toMatchObject({ code: RpcCode.TOO_OLD })
    expect(await patient).toMatchObject({ name: 'Rob' })
    expect(await report()).toMatchObject({ v: 0, state: 'idle' })
    expect(await peer.request('drive', { seq: ++seq, v: 0, w: 0 }, { ttl: 300 })).toEqual({ v: 0, w: 0 })
  })
})
