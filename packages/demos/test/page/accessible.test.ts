import { accessibilityFaults } from '@usmp/testing/accessibility'
import { expect, test } from 'vitest'
import { fresh, PATIENCE, rigs } from './rig.ts'

const LONG = { timeout: 600_000 }
const rig = rigs()

for (const colorScheme of ['dark', 'light'] as const) {
  for (const viewport of [
    { width: 1440, height: 900 },
    { width: 390, height: 844 },
  ]) {
    test(`axe finds nothing at ${viewport.width} pixels, ${colorScheme}`, LONG, async () => {
      const hub = await rig().hub()
      const signIn = await rig().open(hub.page, { colorScheme, viewport })
      await signIn.getByRole('heading', { name: 'Take a seat' }).waitFor(PATIENCE)
      expect(await accessibilityFaults(signIn)).toEqual([])

      const robot = rig().world.robot(hub.tcp, { name: 'rover' })
      const page = await rig().open(rig().address(hub, 'page'), { colorScheme, viewport })
      await fresh(page)
      await page.getByLabel('Message to the robot').fill('hello')
      await page.keyboard.press('Enter')
      await expect.poll(() => page.locator('#chat-log li').count(), PATIENCE).toBe(2)
      expect(await accessibilityFaults(page)).toEqual([])

      // And where things are as bad as they get: old figures, a fault, a stop that nobody answers.
      robot.child.kill('SIGSTOP')
      await page.locator('#stale').waitFor(PATIENCE)
      await page.keyboard.press('Escape')
      await page.locator('#stop-outcome[data-state=bad]').waitFor(PATIENCE)
      expect(await accessibilityFaults(page)).toEqual([])
    })
  }
}
