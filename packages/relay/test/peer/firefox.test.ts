import { test } from 'vitest'
import { reportOf, talkWithPage } from './talk-with-page.ts'

test('a page in Firefox pairs with a program by a code, and they talk over the relay', async () => {
  const command = (url: string, folder: string) => [
    'firefox-esr',
    '--headless',
    '--no-remote',
    '--profile',
    folder,
    url,
  ]
  await talkWithPage((search) => reportOf(search, command))
})
