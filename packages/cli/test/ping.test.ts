import { describe, expect, test } from 'vitest'
import { as, keyFile, serving, usmp } from './usmp.js'

describe('ping', () => {
  test('shows each round trip and sums up', async () => {
    const server = await serving('--psk-file', await keyFile())
    const run = usmp('ping', ...(await as(server.address)), '-c', '3', '-i', '0.1').end()
    expect(await run.exit()).toBe(0)
    expect(run.stdout).toMatch(/^1: [\d.]+ ms\n2: [\d.]+ ms\n3: [\d.]+ ms\n$/)
    expect(run.stderr).toMatch(/3 round trips, min\/median\/max [\d.]+\/[\d.]+\/[\d.]+ ms\n$/)
  })

  test('waits for fractions of a second that are no whole ms in floating point', async () => {
    const server = await serving('--psk-file', await keyFile())
    const run = usmp('ping', ...(await as(server.address)), '-c', '1', '-W', '2.01').end()
    expect(await run.exit()).toBe(0)
  })

  test('--json', async () => {
    const server = await serving('--psk-file', await keyFile())
    const run = usmp('ping', ...(await as(server.address)), '-c', '2', '-i', '0.1', '--json').end()
    expect(await run.exit()).toBe(0)
    const [first, second, summary] = run.objects() as { round_trip_ms: number }[]
    const times = [first!.round_trip_ms, second!.round_trip_ms].sort((a, b) => a - b)
    expect(summary).toMatchObject({ event: 'summary', count: 2, min_ms: times[0], max_ms: times[1] })
  })

  test('is not disturbed by messages', async () => {
    const flood = 'i=0; while [ $i -lt 500 ]; do echo $i; i=$((i+1)); done; cat'
    const server = await serving('--psk-file', await keyFile(), '--exec', flood)
    const run = usmp('ping', ...(await as(server.address)), '-c', '2', '-i', '0.1').end()
    expect(await run.exit()).toBe(0)
  })

  test('SIGINT sums up what there is', async () => {
    const server = await serving('--psk-file', await keyFile())
    const run = usmp('ping', ...(await as(server.address)), '-c', '1000', '-i', '0.1')
    await run.says('stdout', /2: /)
    run.child.kill('SIGINT')
    expect(await run.exit()).toBe(0)
    expect(run.stderr).toMatch(/\d round trips, min/)
  })

  test('a server that ends the session is told of', async () => {
    const server = await serving('--psk-file', await keyFile())
    const run = usmp('ping', ...(await as(server.address)), '-c', '1000', '-i', '0.1')
    await run.says('stdout', /1: /)
    server.child.kill('SIGTERM')
    expect(await run.exit()).toBe(3)
    expect(run.stderr).toContain('PEER_LEFT')
    expect(run.stderr).toMatch(/\d round trips, min|1 round trips/)
  })
})
