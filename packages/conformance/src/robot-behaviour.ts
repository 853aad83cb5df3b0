import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { PlainPeer } from './json-rpc.js'

/**
 * What every robot must do in a session, whatever it runs on. `peer` gives the hub's end of the session; telemetry is
 * counted for so many `seconds`.
 */
export function testRobot(kind: 'c' | 'rv32', peer: () => PlainPeer, seconds: number): void {
  test('says what it is', async () => {
    expect(await peer().call('describe')).toEqual({ name: expect.any(String), kind, maxV: 0.5, maxW: 2 })
  })

  test('sends telemetry ten times a second', async () => {
    const robot = peer()
    const first = await robot.report()
    const end = first.t + seconds * 1000
    await robot.report(({ t }) => t >= end)
    const counted = robot.telemetry.filter(({ t }) => t >= first.t && t < end)
    expect(counted.length).toBeGreaterThanOrEqual(seconds * 9.5)
    expect(counted.length).toBeLessThanOrEqual(seconds * 10.5)
    expect(counted.map(({ n }) => n)).toEqual(counted.map((_, i) => first.n + i))
    for (const { battery, temperature } of counted) {
      expect(battery).toBeGreaterThan(0)
      expect(battery).toBeLessThanOrEqual(1)
      expect(temperature).toBeGreaterThan(0)
    }
  })

  test('drives along, and within its limits', async () => {
    const robot = peer()
    const before = await robot.report()
    for (let i = 0; i < 10; i++) {
      expect(await robot.command('drive', { v: 0.3, w: 0.25 })).toEqual({ v: 0.3, w: 0.25 })
      await robot.report()
    }
    const after = await robot.report()
    expect(Math.hypot(after.x - before.x, after.y - before.y)).toBeGreaterThan(0.15)
    expect(after.theta).not.toBe(before.theta)
    expect(after).toMatchObject({ v: 0.3, w: 0.25, state: 'driving' })
    expect(after.left).toBeCloseTo(0.275, 9)
    expect(after.right).toBeCloseTo(0.325, 9)
    expect(await robot.command('drive', { v: -99, w: 1e300 })).toEqual({ v: -0.5, w: 2 })
    expect(await robot.command('stop')).toEqual({})
  })

  test('stops when it is told to', async () => {
    const robot = peer()
    await robot.command('drive', { v: 0.4, w: -1 })
    await robot.report(({ v }) => v > 0)
    expect(await robot.command('stop')).toEqual({})
    const stopped = await robot.report(({ v, w }) => v === 0 && w === 0)
    expect(stopped.state).toBe('idle')
  })

  test('nothing that was sent before a confirmed stop moves it, whatever its order is', async () => {
    const robot = peer()
    const first = robot.lastSeq + 1
    await fc.assert(
      fc.asyncProperty(fc.shuffledSubarray([1, 2, 3, 4, 5], { minLength: 1 }), fc.nat(4), async (order, at) => {
        // A stop in the middle of them, and everything else in any order around it.
        const base = robot.lastSeq
        robot.lastSeq += 6
        const drive = (n: number) => robot.ask('drive', { seq: base + n, v: 0.5, w: 0 })
        const [before, after] = [order.slice(0, at), order.slice(at)]
        for (const n of before) await drive(n)
        expect((await robot.ask('stop', { seq: base + 6 })).result).toEqual({})
        for (const n of [...after, ...before]) expect((await drive(n)).error?.code).toBe(-32002)
      }),
      { numRuns: 20 },
    )
    expect((await robot.ask('drive', { seq: first, v: 0.5, w: 0 })).error?.code).toBe(-32002)
    await robot.report(({ v }) => v === 0)
    const { x, y } = await robot.report()
    expect(await robot.report()).toMatchObject({ x, y, v: 0 })
  })

  test('stops by itself 600 ms after the last command', async () => {
    const robot = peer()
    const before = await robot.report(({ v }) => v === 0)
    await robot.command('drive', { v: 0.5, w: 0.5 })
    const driving = await robot.report(({ state }) => state === 'driving')
    await robot.report(({ t }) => t >= driving.t + 1000)
    // By its own clock; the command came after the last report at rest, and before the first of driving.
    const seen = robot.telemetry.filter(({ t }) => t > before.t)
    expect(seen.find(({ v, t }) => v > 0 && t >= driving.t + 600)).toBeUndefined()
    expect(seen.find(({ v, t }) => v === 0 && t >= driving.t && t < driving.t + 300)).toBeUndefined()
    expect(seen.at(-1)).toMatchObject({ v: 0, w: 0, left: 0, right: 0, state: 'deadman' })
  })

  test('refuses nonsense, says why, and goes on', async () => {
    const robot = peer()
    const wrong = [
      {},
      [],
      [0.1, 0.1],
      { v: 1 },
      { v: 'nan', w: 1 },
      { v: null, w: 1 },
      { v: 0.1, w: [] },
      { v: true, w: 0 },
    ]
    for (const params of wrong) expect((await robot.ask('drive', params)).error?.code).toBe(-32602)
    expect((await robot.ask('drive', { v: 0.1 })).error?.message).toMatch(/w must be a finite number/)
    expect((await robot.ask('fly')).error?.code).toBe(-32601)
    expect((await robot.ask('drive', 'fast')).error?.code).toBe(-32600)
    const texts = ['', 'stop', '{', '{"jsonrpc":"2.0","id":1,"method":"drive","params":{"v":NaN,"w":1}}', '{"a":1,}']
    for (const text of texts) expect((await robot.sendNonsense(text)).error?.code).toBe(-32700)
    for (const bytes of [
      [0xff, 0xfe],
      [0x22, 0xc3, 0x22],
      [0x7b, 0, 0x7d],
    ]) {
      expect((await robot.sendNonsense(Uint8Array.from(bytes))).error?.code).toBe(-32700)
    }
    const overflow = '{"jsonrpc":"2.0","id":null,"method":"drive","params":{"v":1e999,"w":1}}'
    expect((await robot.sendNonsense(overflow)).error?.code).toBe(-32602)
    for (const text of ['[]', '1', '{}', '[{"jsonrpc":"2.0","id":1,"method":"stop"}]', '['.repeat(1808).slice(0, 40)]) {
      const { error } = await robot.sendNonsense(text)
      expect([-32600, -32700]).toContain(error?.code)
    }
    const deep = `${'['.repeat(900)}${']'.repeat(900)}`
    expect((await robot.sendNonsense(deep)).error?.code).toBe(-32600)
    // Answers to nothing are dropped.
    await robot.session.send('{"jsonrpc":"2.0","id":77,"result":{}}')
    expect(await robot.command('drive', { v: 0, w: 0 })).toEqual({ v: 0, w: 0 })
  })

  test('does not carry out a command that is too old', async () => {
    const robot = peer()
    const age = (late: number) => ({ age: { at: robot.clock() - late, ttl: 300 } })
    for (let i = 0; i < 3; i++) expect((await robot.ask('stop', { seq: ++robot.lastSeq }, age(0))).result).toEqual({})
    const before = await robot.report(({ v }) => v === 0)
    const old = await robot.ask(
      'drive',
      { seq: ++robot.lastSeq, v: 0.5, w: 0 },
      { age: { at: Math.max(0, robot.clock() - 5000), ttl: 300 } },
    )
    expect(old.error).toMatchObject({ code: -32001, message: expect.stringMatching(/^too old/) })
    await robot.report()
    const after = await robot.report()
    expect(after).toMatchObject({ x: before.x, y: before.y, v: 0 })
    expect((await robot.ask('drive', { seq: ++robot.lastSeq, v: 0.1, w: 0 }, age(0))).result).toEqual({ v: 0.1, w: 0 })
    expect((await robot.ask('drive', { v: 0.1, w: 0 }, { age: 5 })).error?.code).toBe(-32600)
    await robot.command('stop')
  })

  test('chats', async () => {
    const robot = peer()
    const before = robot.chats.length
    expect(await robot.call('chat', { from: 'Ann', text: 'Grüße, 世界 🤖 "\\\n' })).toEqual({})
    const reply = await robot.until(() => robot.chats[before])
    expect(reply).toMatch(/^Hello, Ann\. I am (idle|deadman|driving)\. You said: Grüße, 世界 🤖 "\\\n$/)
    expect((await robot.ask('chat', { from: 'Ann' })).error?.code).toBe(-32602)
    expect((await robot.ask('chat', { from: 'Ann', text: 'a\0b' })).error?.code).toBe(-32602)
    expect(await robot.call('chat', { from: '世'.repeat(64), text: '界'.repeat(300) })).toEqual({})
    const cut = await robot.until(() => robot.chats[before + 1])
    expect(Buffer.byteLength(cut)).toBeLessThanOrEqual(300)
    expect(cut).toMatch(/^Hello, 世{64}\. I am \w+\. You said/)
  })
}
