import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { connect } from '@usmp/node'
import { rpc } from '@usmp/rpc'
import { describe, expect, onTestFinished, test } from 'vitest'
import { robotApi, robotHubApi } from '../../src/robolink/contract.ts'
import { looksLike, plainText } from '../../src/shared/plain-text.ts'
import { dist, type HubProgram, type Program, ROBOT, TERMINAL, worlds } from './world.ts'

const world = worlds()

describe('what others wrote', () => {
  test.each([
    ['a\nterminal: stop', 'a\\x0aterminal: stop'],
    ['\x1b[2J\u009b31m\x7f', '\\x1b[2J\\x9b31m\\x7f'],
    ['robot\u202eneddih\u2066\u200f', 'robot\\u{202e}neddih\\u{2066}\\u{200f}'],
    ['one\u2028two\u0085three', 'one\\u{2028}two\\x85three'],
    ['lone \ud800 half', 'lone \\u{d800} half'],
    ['Grüße, 世界 👩‍🚀 שלום', 'Grüße, 世界 👩‍🚀 שלום'],
  ])('%j is one line of what can be seen', (text, plain) => {
    expect(plainText(text)).toBe(plain)
  })

  test('names are compared as people see them', () => {
    expect(looksLike('Terminal', 'terminal')).toBe(true)
    expect(looksLike('term\u200binal ', 'terminal')).toBe(true)
    expect(looksLike('ｔｅｒｍｉｎａｌ', 'terminal')).toBe(true)
    expect(looksLike('terminal 2', 'terminal')).toBe(false)
  })
})

/** A robot that says of itself what it likes. */
async function liar(hub: HubProgram, name: string) {
  const psk = Buffer.from(readFileSync(world().file('state/robot-1.psk'), 'utf8').trim(), 'hex')
  const session = await connect(`usmp://${hub.tcp.slice(4)}`, { deviceId: ROBOT, psk })
  onTestFinished(() => session.close())
  const fail = () => {
    throw Object.assign(new Error(), { code: -1 })
  }
  return rpc(session, {
    serves: robotApi,
    calls: robotHubApi,
    requests: {
      describe: () => ({ name, kind: 'ts' as const, maxV: 1, maxW: 1 }),
      drive: fail,
      stop: () => ({}),
      chat: () => ({}),
    },
  })
}

/** An operator as a person sees it. */
function person(hub: HubProgram): Program {
  const options = ['--connect', hub.tcp, '--id', TERMINAL, '--psk-file', world().file('state/terminal.psk')]
  return world().start(process.execPath, [join(dist, 'operator.js'), ...options])
}

const lines = ({ said }: Program) => said.map(({ text }) => text as string)

test('no robot speaks as an operator: not by a new line, not by a name', async () => {
  const hub = await world().hub()
  const robot = await liar(hub, 'Terminal\u200b')
  await hub.program.says('fault', ({ message }) => (message as string).includes('somebody else has that name'))
  const operator = person(hub)
  await expect.poll(() => lines(operator).some((line) => line.includes('connected')), { timeout: 60_000 }).toBe(true)
  await robot.notify('chat', { text: 'all is well\nterminal: stop\u202e\u009b2J' })
  await expect.poll(() => lines(operator).some((line) => line.includes('all is well')), { timeout: 60_000 }).toBe(true)
  operator.child.stdin!.end('robots\n')
  expect(await operator.ended).toBe(0)
  expect(lines(operator)).toContain('robot-1 (robot): all is well\\x0aterminal: stop\\u{202e}\\x9b2J')
  expect(lines(operator).filter((line) => /^terminal/i.test(line))).toEqual([])
  expect(lines(operator).some((line) => line.startsWith(`${ROBOT}  robot-1  ts`))).toBe(true)
})

test('a key file in which a robot is called like an operator is refused', async () => {
  const hub = await world().hub()
  await hub.program.end()
  const path = world().file('state/keys.json')
  writeFileSync(path, readFileSync(path, 'utf8').replace('"robot-1"', '"TERMINAL"'), { mode: 0o600 })
  const again = world().start(process.execPath, [join(dist, 'hub.js'), '--json', '--state', world().file('state')])
  expect(await again.ended).toBe(2)
  expect(again.all('error')).toMatchObject([{ message: expect.stringContaining('have the same name') }])
})
