import { startWebKit } from '@usmp/testing/engines'
import { onTestFinished, test } from 'vitest'
import { logInAndApprove } from './engine.ts'
import { World } from './world.ts'

test('log-in and approval in WebKit', async () => {
  const home = await World.start()
  onTestFinished(() => home.close())
  const engine = await startWebKit()
  onTestFinished(() => engine.close())
  await logInAndApprove(engine, home)
})
