import { readFileSync } from 'node:fs'
import { DEVICE_ID, OTHER_PSK, PSK, until } from '@usmp/testing'
import { describe, expect, test } from 'vitest'
import * as library from '../src/index.ts'
import { closedPort } from './network.ts'

/** A program of the README, by the name in its first line. */
function program(name: string): string {
  const readme = readFileSync(new URL('../README.md', import.meta.url), 'utf8')
  const code = readme.match(new RegExp(`\`\`\`js\n// ${name}\n(.*?)\n\`\`\``, 's'))?.[1]
  if (!code) throw new Error(`the README has no ${name}`)
  return code
}

interface Run {
  readonly done: Promise<void>
  readonly out: string[]
  readonly err: string[]
  readonly servers: library.Server[]
}

/** Runs a program of the README as it stands, on another port and with a key from memory. */
function run(name: string, port: number, psk = PSK, timeout: (ms: number) => AbortSignal = AbortSignal.timeout): Run {
  const out: string[] = []
  const err: string[] = []
  const servers: library.Server[] = []
  const scope = {
    connect: library.connect,
    sessions: library.sessions,
    readPskFile: async () => psk,
    console: { log: (line: string) => out.push(line), error: (line: string) => err.push(line) },
    AbortSignal: { timeout },
    listen: async (options: library.ListenOptions) => {
      const server = await library.listen(options)
      servers.push(server)
      return server
    },
  }
  const code = program(name)
    .replace(/^import .*$/gm, '')
    .replaceAll('9000', `${port}`)
  const AsyncFunction = (async () => {}).constructor as FunctionConstructor
  const done = new AsyncFunction(...Object.keys(scope), code)(...Object.values(scope)) as Promise<void>
  return { done, out, err, servers }
}

describe('README', () => {
  test('server and client understand each other', async () => {
    const port = await closedPort()
    const server = run('server.mjs', port)
    await until(() => server.servers.length === 1)
    const client = run('client.mjs', port)
    await client.done
    expect(client.out).toEqual(['hello', expect.stringMatching(/^round trip \d+\.\d\d ms$/)])
    await until(() => server.out.length === 2)
    expect(server.out).toEqual([`listening on 127.0.0.1:${port}`, `${DEVICE_ID} left`])

    await expect(run('client.mjs', port, OTHER_PSK).done).rejects.toMatchObject({ code: 'HANDSHAKE_REFUSED' })
    expect(server.err).toEqual([expect.stringContaining(`refused ${DEVICE_ID} at 127.0.0.1:`)])
    expect(server.err[0]).toContain('AUTH_FAILED')
    await server.servers[0]!.close()
    await server.done
  })

  test('the device stays connected until its signal fires', async () => {
    const port = await closedPort()
    const server = run('server.mjs', port)
    await until(() => server.servers.length === 1)
    const abort = new AbortController()
    const device = run('device.mjs', port, PSK, () => abort.signal)
    await until(() => device.out.length === 1)
    expect(device.out).toEqual(['a reading'])
    await server.servers[0]!.close()
    await server.done
    await until(() => device.err.length === 1)
    expect(device.err[0]).toMatch(/^CLOSED: again in \d+ ms$/)
    abort.abort()
    await device.done
  })
})
