import { isClean } from '@usmp/testing/accessibility'
import type { Page } from 'playwright-core'
import { expect, test } from 'vitest'
import {
  delivered,
  enterCode,
  heading,
  lines,
  ownRelay,
  PATIENCE,
  pairOfPages,
  rigs,
  say,
  showCode,
  state,
} from './rig.ts'

const rig = rigs()

test('axe finds nothing, light or dark, wide or narrow, and everything fits', async () => {
  const relay = await ownRelay()
  const host = await rig().open(relay)
  await host.getByText('Relay: ').click()
  await host.getByText('What else does it learn?').click()
  await isClean(host, 'before')
  const code = await showCode(host)
  await isClean(host, 'a code')
  const guest = await rig().open(relay)
  await enterCode(guest, code.replace(/\w+$/, 'nonsense'))
  await guest.getByText('did you mean').waitFor()
  await isClean(guest, 'a word that is none')
  await enterCode(guest, code)
  await Promise.all([state(host, 'online'), state(guest, 'online')])
  await say(guest, 'hello')
  await say(host, 'https://example.org/'.padEnd(400, 'x'))
  await expect.poll(() => lines(guest), PATIENCE).toHaveLength(2)
  await host.getByText('Compare safety words').click()
  await host.getByRole('button', { name: 'They are not the same' }).click()
  await heading(host, 'Say nothing more here')
  await isClean(host, 'a conversation with a problem')
  await host.getByRole('button', { name: 'Close' }).click()
  await host.getByRole('button', { name: 'End the conversation' }).click()
  await guest.getByText('has ended the conversation').waitFor()
  await isClean(guest, 'the end')
  await guest.getByRole('button', { name: 'Back' }).click()
  await isClean(guest, 'known peers')
})

/** Goes on by the tabulator until this has the focus. */
async function tabTo(page: Page, name: string): Promise<void> {
  const focused = () =>
    page.evaluate(() => {
      const element = document.activeElement === document.body ? null : document.activeElement
      const label = element instanceof HTMLInputElement ? [...(element.labels ?? [])].map((one) => one.textContent) : []
      return [element?.getAttribute('aria-label') ?? '', ...label, element?.textContent ?? ''].join(' ')
    })
  for (let count = 0; count < 30; count++) {
    if ((await focused()).includes(name)) return
    await page.keyboard.press('Tab')
  }
  throw new Error(`the tabulator does not reach ${name}`)
}

test('everything can be done by keys alone', async () => {
  const relay = await ownRelay()
  const host = await rig().open(relay)
  const guest = await rig().open(relay)
  await tabTo(host, 'Show a code')
  await host.keyboard.press('Enter')
  await state(host, 'waiting')
  await tabTo(guest, 'The code that it shows')
  await guest.keyboard.type((await host.locator('#code').textContent())!)
  await guest.keyboard.press('Enter')
  await Promise.all([state(host, 'online'), state(guest, 'online')])
  // The field for messages has the focus already.
  await guest.keyboard.type('by keys')
  await guest.keyboard.press('Enter')
  await expect.poll(() => lines(host), PATIENCE).toEqual(['by keys'])
  await tabTo(host, 'Compare safety words')
  await host.keyboard.press('Enter')
  await tabTo(host, 'Compared: they are the same')
  await host.keyboard.press('Enter')
  await expect.poll(() => host.locator('#verified').textContent(), PATIENCE).toBe('words compared')
  await tabTo(host, 'Off')
  await host.keyboard.press('ArrowRight')
  await expect.poll(() => host.locator('input[name=cover][value="1"]').isChecked(), PATIENCE).toBe(true)
  await tabTo(host, 'End the conversation')
  await host.keyboard.press('Enter')
  // So has the button to go on with.
  await guest.getByText('has ended the conversation').waitFor()
  await expect.poll(() => guest.evaluate(() => document.activeElement?.id), PATIENCE).toBe('again')
  await guest.keyboard.press('Enter')
  await state(guest, 'waiting')
})

test('who wants less motion gets a calm page', async () => {
  const [host, guest] = await pairOfPages(rig(), await ownRelay())
  await host.emulateMedia({ reducedMotion: 'reduce' })
  await say(host, 'calm')
  await expect.poll(() => delivered(host), PATIENCE).toBe(1)
  expect(await host.evaluate(() => document.getAnimations().length)).toBe(0)
  expect(await lines(guest)).toEqual(['calm'])
})
