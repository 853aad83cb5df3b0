import type { Engine, Handle } from '@usmp/testing/engines'
import { expect } from 'vitest'
import { newKey, PASSWORD, type World } from './world.ts'

/** The name that the setup suggests for the first user. */
const SUGGESTED = 'admin'
const ID = '02:00:00:00:00:01'
/** For what happens by itself, ms; a busy machine takes its time. */
const PATIENCE = { timeout: 60_000 }

/** Setup, log-in, approval, and the page of updates: what has to work in every browser. */
export async function logInAndApprove(engine: Engine, home: World): Promise<void> {
  const found = async (selector: string, text = ''): Promise<Handle> => {
    await expect.poll(() => engine.find(selector, text), PATIENCE).not.toBeNull()
    return (await engine.find(selector, text))!
  }
  const click = async (selector: string, text?: string) => (await found(selector, text)).click()
  const type = async (selector: string, text: string) => (await found(selector)).type(text)

  await home.openJoin()
  const key = newKey()
  home.sensor(ID, key)
  await engine.goto(home.setupUrl)
  await type('input[autocomplete=new-password]', PASSWORD)
  await click('button', 'Set up')
  await found('h2', '1 device waits for you')
  await click('.avatar')
  await click('.menu button', 'Log out')
  await found('h1', 'Log in')
  await type('input[name=username]', SUGGESTED)
  await type('input[name=password]', PASSWORD)
  await click('button', 'Log in')

  await click('.waiting-strip button', `Approve ${ID}`)
  await type('dialog input[type=password]', newKey().hex)
  await found('dialog .note', 'This key does not fit')
  await click('dialog button', 'Cancel')
  await click('.waiting-strip button', `Approve ${ID}`)
  await type('dialog input[type=password]', key.hex)
  await found('dialog output', '-')
  // Again, if the device has knocked in this very moment.
  while (home.gateway.device(ID).state === 'waiting') {
    await click('dialog button[type=submit]', 'Approve')
    await found('.notice, dialog .fault')
  }
  await found('tbody .badge', 'Online')
  await found('tbody .value', 'temperature')
  await click('tbody a')
  await found('canvas')

  await click('.rail a', 'Updates')
  await found('h2', 'No update yet')
  await found('.drop', 'Add an image')
}
