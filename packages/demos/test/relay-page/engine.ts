import type { Engine, Handle } from '@usmp/testing/engines'
import { expect } from 'vitest'
import { demo, PATIENCE, terminal } from './rig.ts'

/** Pairing and chat with a terminal: what has to work in every browser. */
export async function pairAndTalk(engine: Engine): Promise<void> {
  const { address, relay } = await demo()
  const found = async (selector: string, text = ''): Promise<Handle> => {
    await expect.poll(() => engine.find(selector, text), PATIENCE).not.toBeNull()
    return (await engine.find(selector, text))!
  }
  const bank = terminal(relay, undefined, '--new-code', '--name', 'bank')
  const { code } = await bank.says('code')
  await engine.goto(address)
  await found('#kept', 'kept in this browser')
  await (await found('#code-input')).type(String(code))
  await (await found('button', 'Meet')).click()
  await found('#state-text', 'Connected end to end')
  await found('#peer-name', 'bank')
  await (await found('#chat-text')).type('pay 10 euro')
  await (await found('button', 'Send')).click()
  await bank.says('message', ({ text }) => text === 'pay 10 euro')
  await found('#chat-log .delivered')
  bank.write('done')
  await found('#chat-log .theirs', 'done')
  await (await found('#leave')).click()
  await found('#over-text', 'You have ended the conversation')
  expect(await bank.ended).toBe(0)
}
