import { buildCRobot, cRobotProgram } from '@usmp/testing/c-programs'
import { beforeAll, expect, test } from 'vitest'
import { ROBOT } from '../robolink/world.ts'
import { figure, fresh, moves, PATIENCE, pushStick, rigs, stands, text } from './rig.ts'

const rig = rigs()

beforeAll(buildCRobot, 180_000)

test('the page drives the robot in C, over UDP', async () => {
  const hub = await rig().hub()
  const keyFile = rig().world.file('state/robot-1.psk')
  const place = ['--connect', hub.udp, '--id', ROBOT, '--psk-file', keyFile, '--name', 'rover']
  rig().world.start(cRobotProgram, place)
  const page = await rig().open(rig().address(hub, 'page'))
  await fresh(page)
  await expect.poll(() => page.locator('#robots .dim').textContent(), PATIENCE).toMatch(/^C · UDP/)
  await pushStick(page)
  await moves(page)
  await page.mouse.up()
  await stands(page)
  await page.keyboard.down('d')
  await expect.poll(() => figure(page, 'r-w'), PATIENCE).toBeLessThan(-0.3)
  await page.keyboard.press('Escape')
  await expect.poll(() => text(page, 'stop-outcome'), PATIENCE).toContain('rover stopped')
  await expect.poll(() => figure(page, 'r-w'), PATIENCE).toBe(0)
})
