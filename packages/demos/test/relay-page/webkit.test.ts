import { startWebKit } from '@usmp/testing/engines'
import { onTestFinished, test } from 'vitest'
import { pairAndTalk } from './engine.ts'

test('pairing and chat in WebKit', async () => {
  const engine = await startWebKit()
  onTestFinished(() => engine.close())
  await pairAndTalk(engine)
})
