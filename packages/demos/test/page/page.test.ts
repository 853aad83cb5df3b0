import { randomBytes } from 'node:crypto'
import type { Page } from 'playwright-core'
import { expect, test } from 'vitest'
import type { HubProgram, Program } from '../robolink/world.ts'
import { figure, fresh, type Look, moves, PATIENCE, pushStick, rigs, stands, text } from './rig.ts'

const LONG = { timeout: 600_000 }

const rig = rigs()

/** A hub, a robot, and a page that shows it. */
async function driveable(look?: Look): Promise<{ hub: HubProgram; robot: Program; page: Page }> {
  const hub = await rig().hub()
  const robot = rig().world.robot(hub.tcp, { name: 'rover' })
  const page = await rig().open(rig().address(hub, 'page'), look)
  await fresh(page)
  return { hub, robot, page }
}

const place = (page: Page) => text(page, 'pose-text')

/** How many points of a chart have the colour of its first line, in its upper third. */
function inkAbove(page: Page): Promise<number> {
  return page.evaluate(() => {
    const canvas = document.querySelector<HTMLCanvasElement>('#velocity canvas')!
    const { data } = canvas.getContext('2d')!.getImageData(0, 0, canvas.width, canvas.height / 3)
    const probe = document.createElement('canvas').getContext('2d')!
    probe.fillStyle = getComputedStyle(document.documentElement).getPropertyValue('--speed')
    probe.fillRect(0, 0, 1, 1)
    const [red, green, blue] = probe.getImageData(0, 0, 1, 1).data
    let ink = 0
    for (let i = 0; i < data.length; i += 4) {
      // The axis has this colour too, at the left.
      const inPlot = (i / 4) % canvas.width > 60
      if (inPlot && data[i] === red && data[i + 1] === green && data[i + 2] === blue) ink++
    }
    return ink
  })
}

test('the joystick moves the robot, the chart shows it, and letting go stops it', LONG, async () => {
  const { page } = await driveable()
  expect(await text(page, 'driver')).toBe('nobody')
  expect(await inkAbove(page)).toBe(0)
  const before = await place(page)
  await pushStick(page)
  await moves(page)
  expect(await text(page, 'robot-state')).toBe('drives')
  await expect.poll(() => text(page, 'driver'), PATIENCE).toBe('you')
  await expect.poll(() => inkAbove(page), PATIENCE).toBeGreaterThan(0)
  await page.mouse.up()
  await stands(page)
  // By a command: a robot that had to notice by itself says so.
  expect(await text(page, 'robot-state')).toBe('stands')
  expect(await place(page)).not.toBe(before)
  await page.getByRole('button', { name: 'Release' }).click()
  await expect.poll(() => text(page, 'driver'), PATIENCE).toBe('nobody')
})

test('the keys drive, but not while somebody types', LONG, async () => {
  const { page } = await driveable()
  await page.keyboard.down('w')
  await moves(page)
  await page.keyboard.press('Space')
  await stands(page)
  // Still down, and therefore still nothing: it has to be pressed again.
  await page.keyboard.up('w')
  await page.keyboard.down('ArrowLeft')
  await expect.poll(() => figure(page, 'r-w'), PATIENCE).toBeGreaterThan(0.3)
  await page.keyboard.up('ArrowLeft')
  await expect.poll(() => figure(page, 'r-w'), PATIENCE).toBe(0)
  const before = await place(page)
  await page.getByLabel('Message to the robot').focus()
  await page.keyboard.type('wasd was here')
  await page.keyboard.press('Enter')
  await expect.poll(() => page.locator('#chat-log li.mine p').allTextContents(), PATIENCE).toEqual(['wasd was here'])
  await expect.poll(() => page.locator('#chat-log li:not(.mine)').count(), PATIENCE).toBe(1)
  expect(await place(page)).toBe(before)
})

test('anyone who looks away stops the robot', LONG, async () => {
  const { page } = await driveable()
  await page.keyboard.down('ArrowUp')
  await moves(page)
  await page.evaluate(() => dispatchEvent(new Event('blur')))
  await stands(page)
  expect(await text(page, 'robot-state')).toBe('stands')
})

test('a second page watches while the first drives, and may stop the robot at any time', LONG, async () => {
  const { hub, page } = await driveable()
  const second = await rig().open(rig().address(hub, 'terminal'))
  await fresh(second)
  await page.keyboard.down('w')
  await moves(second)
  await expect.poll(() => text(second, 'driver'), PATIENCE).toBe('page')
  await second.keyboard.down('w')
  await expect.poll(() => text(second, 'drive-fault'), PATIENCE).toContain('page drives')
  await second.keyboard.up('w')
  expect(await figure(second, 'r-v')).toBeGreaterThan(0.1)

  // From within a field, by the keyboard.
  await second.getByLabel('Message to the robot').focus()
  await second.keyboard.press('Escape')
  await stands(second)
  await expect.poll(() => text(second, 'stop-outcome'), PATIENCE).toContain('rover stopped')
  await expect.poll(() => text(second, 'driver'), PATIENCE).toBe('you')
  await expect.poll(() => text(page, 'drive-fault'), PATIENCE).toContain('terminal drives')
  await stands(page)
})

test('a page that is loaded again comes back; the robot has stopped meanwhile', LONG, async () => {
  const { page } = await driveable()
  await page.keyboard.down('w')
  await moves(page)
  await page.reload()
  await fresh(page)
  await stands(page)
  expect(page.url()).not.toContain('#')
  await page.keyboard.up('w')
  await page.keyboard.down('w')
  await moves(page)
})

test('a hub that was restarted is found again, and a stop that was owed is paid', LONG, async () => {
  // The browser itself complains about the WebSockets that fail meanwhile.
  const { hub, page } = await driveable({ expectErrors: true })
  await pushStick(page)
  await moves(page)
  await hub.program.end()
  await expect.poll(() => text(page, 'link-text'), PATIENCE).toMatch(/does not answer|goodbye|broke/)
  await expect.poll(() => page.locator('#stale').isVisible(), PATIENCE).toBe(true)
  await page.getByRole('button', { name: 'STOP' }).click()
  expect(await text(page, 'stop-outcome')).toContain('Not sent')
  await rig().hub(hub)
  await expect.poll(() => text(page, 'link-text'), PATIENCE).toBe('Encrypted link')
  await fresh(page)
  await expect.poll(() => text(page, 'stop-outcome'), PATIENCE).toContain('rover stopped')
  // The finger is still on the stick, but what was asked for before is not asked for again.
  await stands(page)
  expect(await text(page, 'wanted')).toContain('0.00 m/s')
})

test('telemetry of a robot that froze is shown as old, with its age', LONG, async () => {
  const { robot, page } = await driveable()
  expect(await page.locator('#stale').isVisible()).toBe(false)
  robot.child.kill('SIGSTOP')
  await expect
    .poll(() => text(page, 'stale'), PATIENCE)
    .toMatch(/^Stale: the last telemetry is (\d+ ms|\d+\.\d s) old$/)
  await expect.poll(() => figure(page, 'r-age'), PATIENCE).toBeGreaterThan(1500)
  expect(await text(page, 'robot-state')).toBe('unknown')
  robot.child.kill('SIGCONT')
  await fresh(page)
  await expect.poll(() => page.locator('#stale').isVisible(), PATIENCE).toBe(false)
})

test('a wrong key is told clearly, and is kept nowhere', LONG, async () => {
  const hub = await rig().hub()
  const good = rig().address(hub, 'page')
  const wrong = new URL(good)
  const wrongKey = randomBytes(32).toString('hex')
  wrong.hash = good.hash.replace(/key=.*/, `key=${wrongKey}`)
  const page = await rig().open(wrong)
  const refusal = page.getByRole('alert').filter({ hasText: 'The hub refuses this key' })
  await refusal.waitFor(PATIENCE)
  expect(await refusal.textContent()).toContain('HANDSHAKE_REFUSED')
  expect(page.url()).toBe(hub.page)
  expect(await page.evaluate(() => JSON.stringify(sessionStorage))).not.toContain(wrongKey)

  await page.getByLabel('Key, 64 hex digits').fill('too short')
  await page.getByRole('button', { name: 'Connect' }).click()
  await page.getByRole('alert').filter({ hasText: 'must be 64 hex digits' }).waitFor(PATIENCE)
  await page.getByLabel('Key, 64 hex digits').fill(new URLSearchParams(good.hash.slice(1)).get('key')!)
  await page.getByRole('button', { name: 'Connect' }).click()
  await expect.poll(() => text(page, 'link-text'), PATIENCE).toBe('Encrypted link')
})

test('the key never leaves the page, and nothing can be read on its wire', LONG, async () => {
  const hub = await rig().hub()
  rig().world.robot(hub.tcp, { name: 'rover' })
  const address = rig().address(hub, 'page')
  const key = new URLSearchParams(address.hash.slice(1)).get('key')!
  const page = await rig().open('about:blank')
  const seen: string[] = []
  page.on('request', (request) => seen.push(request.url()))
  page.on('websocket', (socket) => {
    const note = ({ payload }: { payload: string | Buffer }) => void seen.push(Buffer.from(payload).toString('latin1'))
    socket.on('framesent', note).on('framereceived', note)
  })
  await page.goto(address.href)
  await fresh(page)
  expect(seen.length).toBeGreaterThan(5)
  for (const bytes of seen) {
    expect(bytes).not.toMatch(/jsonrpc|telemetry|battery|rover/)
    expect(bytes).not.toContain(key)
    expect(bytes).not.toContain(Buffer.from(key, 'hex').toString('latin1'))
  }
})

test('a hub that hangs is said to be silent', LONG, async () => {
  const { hub, page } = await driveable({ expectErrors: true })
  hub.program.child.kill('SIGSTOP')
  await expect.poll(() => text(page, 'link-text'), PATIENCE).toBe('The hub is silent')
  expect(await page.locator('#stale').isVisible()).toBe(true)
  hub.program.child.kill('SIGCONT')
  await expect.poll(() => text(page, 'link-text'), PATIENCE).toBe('Encrypted link')
})

test('a second page with the same operator takes the seat, and the first does not fight for it', LONG, async () => {
  const { hub, page } = await driveable()
  const second = await rig().open(rig().address(hub, 'page'))
  await fresh(second)
  await expect.poll(() => text(page, 'link-text'), PATIENCE).toContain('taken this operator’s seat')
  await page.getByRole('button', { name: 'Try now' }).click()
  await fresh(page)
  await expect.poll(() => text(second, 'link-text'), PATIENCE).toContain('taken this operator’s seat')
})

test('on a telephone, in the dark: nothing is cut off, and the stop is there', LONG, async () => {
  const { page } = await driveable({ viewport: { width: 390, height: 844 }, colorScheme: 'dark' })
  expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBeLessThanOrEqual(390)
  for (const where of ['window.scrollTo(0, 0)', 'window.scrollTo(0, document.body.scrollHeight)']) {
    await page.evaluate(where)
    const { y, height, width } = (await page.getByRole('button', { name: 'STOP' }).boundingBox())!
    expect(y + height).toBeLessThanOrEqual(844)
    expect(Math.min(width, height)).toBeGreaterThanOrEqual(60)
  }
})

for (const viewport of [
  { width: 1440, height: 900 },
  { width: 1440, height: 640 },
  { width: 1024, height: 768 },
  { width: 390, height: 844 },
]) {
  test(`no name is cut and the stop covers nothing, at ${viewport.width} × ${viewport.height}`, LONG, async () => {
    const hub = await rig().hub()
    rig().world.robot(hub.tcp, { name: 'The second robot of the northern greenhouse' })
    await hub.program.says('robot-connected')
    rig().world.autopilot(hub.tcp, [])
    const page = await rig().open(rig().address(hub, 'page'), { viewport })
    await fresh(page)
    await expect.poll(() => page.locator('#robots .driver').textContent(), PATIENCE).toBe('autopilot drives')
    const cut = await page.evaluate(() =>
      [...document.querySelectorAll('#robots .name, #robots .driver, #stop-robot, #robot-name')]
        .filter((element) => {
          // Its own box, and those around it, down to the button or the card.
          const box = element.getBoundingClientRect()
          const around = element.closest('button, h2')!.getBoundingClientRect()
          return (
            (element.scrollWidth > element.clientWidth + 1 && getComputedStyle(element).display !== 'inline') ||
            box.right > around.right + 1 ||
            box.bottom > around.bottom + 1 ||
            box.left < around.left - 1
          )
        })
        .map((element) => element.outerHTML),
    )
    expect(cut).toEqual([])
    for (const end of [false, true]) {
      const covered = await page.evaluate((end) => {
        const scrolled = document.querySelector('#console')!
        for (const box of [scrolled, document.documentElement]) box.scrollTop = end ? box.scrollHeight : 0
        const stop = document.querySelector('#stop')!.getBoundingClientRect()
        const bottom = Math.min(innerHeight, scrolled.getBoundingClientRect().bottom)
        const parts = document.querySelectorAll(
          '#console button, #console input, #console canvas, #console dl, #console p',
        )
        return [...parts]
          .filter((part) => {
            const { left, right, top, bottom: partBottom, width } = part.getBoundingClientRect()
            const shownBottom = Math.min(partBottom, bottom)
            return width > 1 && left < stop.right && right > stop.left && top < stop.bottom && shownBottom > stop.top
          })
          .map((part) => part.outerHTML)
      }, end)
      expect(covered).toEqual([])
    }
  })
}
