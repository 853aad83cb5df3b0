import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync } from 'node:fs'
import { createServer } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { type Engine, findInPage, type Handle } from './engine.js'

/** By which WebDriver names an element. */
const ELEMENT = 'element-6066-11e4-a52e-4f735466cecf'

/** Debian's WebKit, led by the WebDriver protocol, on a display of its own. */
export async function startWebKit(): Promise<Engine & { close(): Promise<void> }> {
  const port = await freePort()
  const driver = spawn('xvfb-run', ['-a', 'WebKitWebDriver', `--port=${port}`], {
    stdio: 'ignore',
    detached: true,
    // The sandbox refuses to run as root; and without a locale the browser says that its language is `C`, which is none.
    env: { ...process.env, WEBKIT_DISABLE_SANDBOX_THIS_IS_DANGEROUS: '1', LC_ALL: 'en_US.UTF-8' },
  })
  const call = async (method: string, path: string, body?: object): Promise<unknown> => {
    const response = await fetch(`http://127.0.0.1:${port}${path}`, {
      method,
      ...(body ? { body: JSON.stringify(body), headers: { 'Content-Type': 'application/json' } } : {}),
    })
    const { value } = (await response.json()) as { value: { error?: string; message?: string } | null }
    if (!response.ok) throw new Error(`WebKit: ${value?.error} ${value?.message}`)
    return value
  }
  await untilUp(() => call('GET', '/status'))
  const options = { binary: miniBrowser(), args: ['--automation'] }
  const { sessionId } = (await call('POST', '/session', {
    capabilities: { alwaysMatch: { 'webkitgtk:browserOptions': options } },
  })) as { sessionId: string }
  const session = `/session/${sessionId}`

  return {
    goto: async (url) => void (await call('POST', `${session}/url`, { url })),
    find: async (selector, text) => {
      const script = `return (${findInPage})(...arguments)`
      const found = (await call('POST', `${session}/execute/sync`, { script, args: [selector, text] })) as Record<
        string,
        string
      > | null
      return found && handle(`${session}/element/${found[ELEMENT]}`)
    },
    close: async () => {
      await call('DELETE', session).catch(() => undefined)
      const ended = once(driver, 'exit')
      // xvfb-run and what it has started.
      process.kill(-driver.pid!, 'SIGTERM')
      await ended
    },
  }

  function handle(element: string): Handle {
    return {
      click: async () => void (await call('POST', `${element}/click`, {})),
      type: async (text) => void (await call('POST', `${element}/value`, { text })),
    }
  }
}

function miniBrowser(): string {
  const folder = readdirSync('/usr/lib').find((name) => name.endsWith('-linux-gnu'))
  return `/usr/lib/${folder}/webkit2gtk-4.1/MiniBrowser`
}

async function untilUp(isUp: () => Promise<unknown>): Promise<void> {
  for (let tries = 0; ; tries++) {
    try {
      await isUp()
      return
    } catch (error) {
      if (tries === 300) throw error
      await sleep(100)
    }
  }
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as { port: number }
  server.close()
  await once(server, 'close')
  return port
}
