import { expect, test } from 'vitest'
import { PATIENCE, rig, setUp } from './rig.ts'
import { newKey } from './world.ts'

const { world, open } = rig()
const COUNT = 1_000
const idOf = (n: number) => `02:00:00:00:${hex(n >> 8)}:${hex(n & 255)}`
const hex = (byte: number) => byte.toString(16).padStart(2, '0')

test('of 1,000 devices only those are drawn that can be seen, and each can be reached', async () => {
  const home = await world()
  const lines = Array.from({ length: COUNT }, (_, n) => `${idOf(n)},${newKey().hex},sensor ${n},floor ${n % 9}`)
  await home.importDevices(['id,psk,name,group', ...lines].join('\n'))
  await home.known('02:00:00:00:ff:01', 'aaa first')
  const page = await open(home.setupUrl)
  await setUp(page)
  await page
    .getByRole('row', { name: /^aaa first/ })
    .getByText('Online')
    .waitFor()
  const drawn = () => page.locator('tbody tr:not(.spacer)').count()
  expect(await drawn()).toBeLessThan(80)
  expect(await page.getByRole('table').getAttribute('aria-rowcount')).toBe(String(COUNT + 2))

  const seen = new Set<string>()
  const height = await page.evaluate(() => document.documentElement.scrollHeight)
  expect(height).toBeGreaterThan(COUNT * 40)
  for (const name of await page.evaluate(walk, height)) seen.add(name)
  expect(seen.size).toBe(COUNT + 1)
  expect(await drawn()).toBeLessThan(80)

  await page.getByRole('searchbox').fill('sensor 777')
  await expect.poll(drawn, PATIENCE).toBe(1)
  expect(new URL(page.url()).search).toBe('?q=sensor+777')
  await page.getByRole('searchbox').fill(idOf(999).replaceAll(':', ''))
  await page.getByRole('link', { name: 'sensor 999' }).click()
  await page.getByRole('heading', { name: 'sensor 999' }).waitFor()
})

/** In the page: goes down the list window by window, waits for the rows of each, and gives all names that were seen. */
async function walk(height: number): Promise<string[]> {
  /** Whether rows stand all over the window, as far down as the list goes. */
  const isFilled = (): boolean => {
    const rows = [...document.querySelectorAll('tbody tr:not(.spacer)')].map((row) => row.getBoundingClientRect())
    const table = document.querySelector('tbody')!.getBoundingClientRect()
    const from = Math.max(table.top, 100)
    const to = Math.min(table.bottom, window.innerHeight)
    return rows.some(({ top }) => top <= from) && rows.some(({ bottom }) => bottom >= to - 1)
  }
  const names: string[] = []
  for (let top = 0; top < height; top += 600) {
    window.scrollTo(0, top)
    do await new Promise(requestAnimationFrame)
    while (!isFilled())
    for (const link of document.querySelectorAll('tbody .name a')) names.push(link.textContent)
  }
  return names
}
