import { join } from 'node:path'
import { formatToken, issueToken } from '@usmp/relay/server'
import type { Page } from 'playwright-core'
import { expect, test } from 'vitest'
import {
  delivered,
  enterCode,
  folder,
  heading,
  lines,
  ownRelay,
  PATIENCE,
  pairOfPages,
  relayProgram,
  rigs,
  say,
  showCode,
  state,
  terminal,
} from './rig.ts'

const rig = rigs()

/** Of a cell: 452 bytes of plaintext in a frame. */
const CELL = 492

/** What a terminal has been told, in order. */
const heard = (program: ReturnType<typeof terminal>) => program.all('message').map(({ text }) => text)

test('a page shows a code, a terminal types what the page says, and they talk; the next time without a code', async () => {
  const page = await rig().open()
  await page.getByLabel('Your name').fill('Page')
  await showCode(page)
  const [, relay, code] = /usmp relay peer --relay (\S+) --code (\S+)$/.exec(
    (await page.locator('#command').textContent())!,
  )!
  expect(relay).toBe(rig().relay)
  const identity = join(folder(), 'bank.json')
  const bank = terminal(relay!, identity, '--code', code!, '--name', 'bank')
  await state(page, 'online')
  await heading(page, 'bank')
  await bank.says('state', ({ state }) => state === 'online')
  bank.write('good morning')
  await expect.poll(() => lines(page), PATIENCE).toEqual(['good morning'])
  await say(page, 'pay 10 euro')
  await expect.poll(() => heard(bank), PATIENCE).toEqual(['pay 10 euro'])
  await expect.poll(() => delivered(page), PATIENCE).toBe(1)

  bank.child.stdin!.end()
  await page.getByText('has ended the conversation').waitFor()
  expect(await bank.ended).toBe(0)
  await page.reload()
  await page.getByRole('button', { name: 'Talk to' }).click()
  await state(page, 'waiting')
  await say(page, 'are you there?')
  const again = terminal(relay!, identity, '--to', 'Page')
  await expect.poll(() => heard(again), PATIENCE).toEqual(['are you there?'])
  await page.getByRole('button', { name: 'End the conversation' }).click()
  await page.getByText('You have ended the conversation').waitFor()
  expect(await again.ended).toBe(0)
})

test('a terminal shows a code, and a page types it', async () => {
  const relay = await ownRelay()
  const page = await rig().open(relay)
  const bank = terminal(relay, undefined, '--new-code', '--name', 'bank')
  const { code } = await bank.says('code')
  await enterCode(page, String(code).toUpperCase().replaceAll('-', '  '))
  await heading(page, 'bank')
  await state(page, 'online')
  await say(page, 'hello')
  await expect.poll(() => heard(bank), PATIENCE).toEqual(['hello'])
})

test('two tabs of one browser are two people: one of them for its visit only, and says so; their words are the same', async () => {
  const relay = await ownRelay()
  const first = await rig().open(relay)
  const second = await rig().open(relay, { beside: first })
  expect(await first.locator('#kept').textContent()).toBe('kept in this browser')
  expect(await first.locator('#kept-text').textContent()).toContain('can be copied')
  expect(await second.locator('#kept').textContent()).toBe('for this visit only')
  await enterCode(second, await showCode(first))
  await Promise.all([state(first, 'online'), state(second, 'online')])
  const words: string[][] = []
  for (const page of [first, second]) {
    await page.getByText('Compare safety words').click()
    await expect.poll(() => page.locator('#safety-words').textContent(), PATIENCE).not.toBe('')
    words.push(await page.locator('#safety-words li').allTextContents())
  }
  expect(words[0]).toEqual(words[1])
  expect(words[0]!.map((line) => line.split(' ').length)).toEqual([6, 6])
  await first.getByRole('button', { name: 'Compared: they are the same' }).click()
  await expect.poll(() => first.locator('#verified').textContent(), PATIENCE).toBe('words compared')
  await first.reload()
  await first.getByText('words compared').first().waitFor()
})

test('a wrong code is burnt at both ends; a word that is none is not tried', async () => {
  const relay = await ownRelay()
  const host = await rig().open(relay)
  const guest = await rig().open(relay)
  const code = await showCode(host)
  await enterCode(guest, code.replace(/^\w+/, 'orbitt'))
  await guest.getByText('did you mean').waitFor()
  expect(await host.locator('#state').getAttribute('data-state')).toBe('waiting')
  const [one, two, three, four] = code.split('-')
  await enterCode(guest, [one, two, four, three === four ? 'zoo' : three].join('-'))
  await heading(guest, 'The code is burnt')
  await heading(host, 'The code is burnt')
  for (const page of [host, guest]) expect(await page.locator('#known').isVisible()).toBe(false)
  // Nor is the right one of any use now.
  await enterCode(guest, code)
  await state(guest, 'waiting')
  await expect.poll(() => host.locator('#state').getAttribute('data-state'), PATIENCE).toBe('idle')
})

test('the relay is killed and comes back: the pages say so, and no message is lost or comes twice', async () => {
  const relay = await relayProgram()
  const [host, guest] = await pairOfPages(rig(), relay.url)
  await say(host, 'one')
  await say(guest, 'two')
  await expect.poll(async () => [...(await lines(guest))].sort(), PATIENCE).toEqual(['one', 'two'])
  await relay.program.end('SIGKILL')
  await Promise.all([state(host, 'away'), state(guest, 'away')])
  await host.getByText('The relay is not reached').waitFor()
  await host.getByText(/trying/).waitFor()
  await say(host, 'three')
  await say(host, 'four')
  await say(guest, 'five')
  expect(await host.locator('#chat-log .waits').count()).toBe(2)
  await relayProgram(new URL(relay.url).host)
  await Promise.all([state(host, 'online'), state(guest, 'online')])
  await expect.poll(() => delivered(host), PATIENCE).toBe(3)
  await expect.poll(() => delivered(guest), PATIENCE).toBe(2)
  const own = (page: Page) => page.locator('#chat-log .mine p').allTextContents()
  const theirs = (page: Page) => page.locator('#chat-log .theirs p').allTextContents()
  expect([await own(host), await theirs(guest)]).toEqual([
    ['one', 'three', 'four'],
    ['one', 'three', 'four'],
  ])
  expect([await own(guest), await theirs(host)]).toEqual([
    ['two', 'five'],
    ['two', 'five'],
  ])
})

test('a relay that wants a token: the page says so, and takes one', async () => {
  const key = new Uint8Array(32).fill(7)
  const relay = await ownRelay({ tokenKey: key })
  const page = await rig().open(relay)
  await page.getByRole('button', { name: 'Show a code' }).click()
  await heading(page, 'The relay refuses you')
  await page.getByText('Relay: ').click()
  const token = page.getByLabel('Token, if the relay asks for one')
  await token.fill('no token!')
  await page.getByRole('button', { name: 'Show a code' }).click()
  await heading(page, 'This cannot be right')
  await token.fill(formatToken(issueToken(key, { expires: new Date(Date.now() + 60_000) })))
  await showCode(page)
  expect(await page.locator('#command').textContent()).toContain('--token-file FILE')
})

test('a hostile name and hostile lines are shown as they are, and do nothing', async () => {
  const name = '<img src=x onerror=alert(1)>'
  const relay = await ownRelay()
  const page = await rig().open(relay)
  const bank = terminal(relay, undefined, '--code', await showCode(page), '--name', name)
  await heading(page, name)
  await bank.says('state', ({ state }) => state === 'online')
  const said = '<script>alert(1)</script>\u202egnp.exe\u0007'
  bank.write(said, '<img src=x onerror=alert(2)>')
  await expect
    .poll(() => lines(page), PATIENCE)
    .toEqual(['<script>alert(1)</script>\\u{202e}gnp.exe\\x07', '<img src=x onerror=alert(2)>'])
  bank.child.stdin!.end()
  await page.getByText('has ended the conversation').waitFor()
  // Its name cannot turn what stands beside it either.
  expect(await page.locator('#over-text').textContent()).toBe(`\u2068${name}\u2069 has ended the conversation.`)
  await page.getByRole('button', { name: 'Back' }).click()
  expect(await page.locator('#known-list bdi').textContent()).toBe(name)
  expect(await page.locator('img').count()).toBe(1)
})

test('a known name with another identity: nothing is changed, and the page says what to do', async () => {
  const relay = await ownRelay()
  const page = await rig().open(relay)
  const meet = async (identity: string) => terminal(relay, identity, '--code', await showCode(page), '--name', 'bank')
  const first = await meet(join(folder(), 'bank.json'))
  await state(page, 'online')
  first.child.stdin!.end('bye\n')
  await page.getByRole('button', { name: 'Back' }).click()
  const key = await page.locator('#known-list small').textContent()

  const other = join(folder(), 'bank.json')
  await meet(other)
  await heading(page, /another identity than before/)
  await page.getByText('IDENTITY_CHANGED').waitFor()
  expect(await page.locator('#known-list small').allTextContents()).toEqual([key])
  await page.getByRole('button', { name: 'Forget the old identity' }).click()
  await expect.poll(() => page.locator('#known').isVisible(), PATIENCE).toBe(false)
  await meet(other)
  await state(page, 'online')
})

test('cover: while it is on, all that leaves has one size, and what is said makes nothing leave', async () => {
  const relay = await ownRelay()
  const [host, guest] = await pairOfPages(rig(), relay)
  const count = async (page: Page) => Number(await page.locator('#count-out').textContent())
  await host.getByRole('button', { name: 'Clear' }).click()
  await expect.poll(() => count(host), PATIENCE).toBe(0)
  await say(host, 'without cover')
  await expect.poll(() => delivered(host), PATIENCE).toBe(1)
  await expect.poll(() => count(host), PATIENCE).toBeGreaterThan(0)

  for (const page of [host, guest]) {
    await page.getByLabel('10 a second').check()
    // The line begins anew with it.
    await page.locator('#frames td').getByText(String(CELL)).first().waitFor()
  }
  await Promise.all([state(host, 'online'), state(guest, 'online')])
  const settled = async (page: Page) => {
    await page.getByRole('button', { name: 'Clear' }).click()
    await expect.poll(() => count(page), PATIENCE).toBeGreaterThan(20)
  }
  // Either change ends a session, and the second one may still be under way.
  const onlyCells = async (page: Page) => {
    await settled(page)
    return /^492 ×.\d+$/.test((await page.locator('#sizes').textContent())!)
  }
  await expect.poll(() => onlyCells(host), PATIENCE).toBe(true)
  await say(guest, 'with cover')
  await expect.poll(() => lines(host), PATIENCE).toContain('with cover')
  await expect.poll(() => delivered(guest), PATIENCE).toBe(1)
  expect(await host.locator('#sizes').textContent()).toMatch(/^492 ×.\d+$/)
  expect(await host.locator('#meaning').textContent()).toContain('10 times a second')
})

test('the demo prints an address that opens as it is printed', async () => {
  const page = await rig().open()
  expect(rig().address).toMatch(/^http:\/\/127\.0\.0\.1:\d+\/#relay=ws:\/\/127\.0\.0\.1:\d+$/)
  expect(await page.locator('#relay-summary').textContent()).toBe(rig().relay)
})
