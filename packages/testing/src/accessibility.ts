import axe from 'axe-core'
import type { Page } from 'playwright-core'
import { expect } from 'vitest'

const WIDE = { width: 1440, height: 900 }
const NARROW = { width: 390, height: 844 }
/** What a scheme can break; everything else is the same in both. */
const COLOURS = ['color-contrast', 'link-in-text-block']

/**
 * What axe finds wrong with a page as it is: rules, and where. If a dialog or a popover is open, only that is looked at: what is behind it
 * was looked at before, and nobody can reach it.
 * @param rules the rules that are held to; null: all
 */
export async function accessibilityFaults(page: Page, rules: readonly string[] | null = null): Promise<string[]> {
  if (!(await page.evaluate(() => 'axe' in globalThis))) await page.evaluate(axe.source)
  return page.evaluate(async (values) => {
    const { run } = (globalThis as unknown as { axe: typeof axe }).axe
    const only = values && { runOnly: { type: 'rule' as const, values: [...values] } }
    const above = document.querySelector('dialog[open], [popover]:popover-open')
    const { violations } = await run(above ?? document, { resultTypes: ['violations'], ...only })
    return violations.flatMap(({ id, nodes }) => nodes.map(({ target }) => `${id}: ${target}`))
  }, rules)
}

/**
 * Holds a page to having no fault in both schemes and at 1440 and 390 pixels, and nothing of it cut off. Afterwards it is 1440 pixels wide.
 * @param what names the state of the page when it fails
 */
export async function isClean(page: Page, what: string): Promise<void> {
  for (const [colorScheme, size, rules] of [
    ['light', WIDE, null],
    ['dark', WIDE, COLOURS],
    ['dark', NARROW, null],
    ['light', NARROW, COLOURS],
  ] as const) {
    // Colours that are on their way to others are not looked at.
    await page.emulateMedia({ colorScheme, reducedMotion: 'reduce' })
    await page.setViewportSize(size)
    expect(await accessibilityFaults(page, rules), `${what}, ${colorScheme}, ${size.width}`).toEqual([])
    const width = await page.evaluate(() => document.documentElement.scrollWidth)
    expect(width, `${what} fits ${size.width}`).toBeLessThanOrEqual(size.width)
  }
  await page.setViewportSize(WIDE)
}
