import { readdirSync } from 'node:fs'
import { test } from 'vitest'
import { reportOf, talkWithPage } from './talk-with-page.ts'

test('a page in WebKit pairs with a program by a code, and they talk over the relay', async () => {
  const folder = readdirSync('/usr/lib').find((name) => name.endsWith('-linux-gnu'))
  const browser = `/usr/lib/${folder}/webkit2gtk-4.1/MiniBrowser`
  await talkWithPage((search) => reportOf(search, (url) => ['xvfb-run', '-a', browser, url]))
})
