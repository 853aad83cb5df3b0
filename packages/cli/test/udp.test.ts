import { describe, expect, test } from 'vitest'
import { DEVICE, directory, KEY, keyFile, usmp } from './usmp.js'

/** `usmp serve` on a free UDP port; where it listens. */
async function servingUdp(...args: readonly string[]): Promise<string> {
  const run = usmp('serve', '--udp', '127.0.0.1:0', '--psk-file', await keyFile(), ...args)
  const [, address] = await run.says('stderr', /listening on UDP ([\d.]+:\d+)/)
  return address!
}

const as = async (address: string) => ['--udp', address, '--id', DEVICE, '--psk-file', await keyFile(KEY)]

describe('over UDP', () => {
  test('lines go there and back, and the end of stdin is the end of the session', async () => {
    const address = await servingUdp('--echo')
    const run = usmp('connect', ...(await as(address)), '-W', '1').end('one\ntwo\nthree\n')
    expect(await run.exit()).toBe(0)
    expect(run.stdout).toBe('one\ntwo\nthree\n')
    expect(run.stderr).toContain(`connected to ${address} as ${DEVICE}`)
  })

  test('ping', async () => {
    const run = usmp('ping', ...(await as(await servingUdp())), '-c', '2', '-i', '0.1').end()
    expect(await run.exit()).toBe(0)
    expect(run.stdout).toMatch(/^1: [\d.]+ ms\n2: [\d.]+ ms\n$/)
  })

  test('--json names the transport of the listening socket', async () => {
    const run = usmp('serve', '--udp', '127.0.0.1:0', '--tcp', '127.0.0.1:0', '--psk-file', await keyFile(), '--json')
    await run.says('stderr', /"transport":"udp"/)
    const listening = run.objects('stderr').filter(({ event }) => event === 'listening')
    expect(listening).toMatchObject([{ address: expect.stringMatching(/:\d+$/) }, { transport: 'udp' }])
    expect(listening[0]).not.toHaveProperty('transport')
  })

  test('one way to the server at a time, and not none', async () => {
    const peer = ['--id', DEVICE, '--psk-file', `${await directory()}/none`]
    for (const args of [
      ['connect', '--udp', 'h:1', '--tcp', 'h:1', ...peer],
      ['serve', '--psk-file', await keyFile()],
    ]) {
      const run = usmp(...args).end()
      expect(await run.exit()).toBe(2)
      expect(run.stderr).toContain('--udp')
    }
    const nowhere = usmp('ping', '--id', DEVICE, '--psk-file', await keyFile()).end()
    expect(await nowhere.exit()).toBe(2)
    expect(nowhere.stderr).toContain('--udp')
  })
})
