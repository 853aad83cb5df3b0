import { join } from 'node:path'
import { expect } from 'vitest'
import { directory, type Run, usmp } from './usmp.js'

/** A relay that runs; its URL. */
export async function relay(listen = '127.0.0.1:0', ...args: readonly string[]): Promise<Run & { url: string }> {
  const run = usmp('relay', 'serve', '--listen', listen, ...(args.length > 0 ? args : ['--open'])).end()
  const [, url] = await run.says('stderr', /listening on (wss?:\S+)/)
  return Object.assign(run, { url: url! })
}

export const CODE = /--code ([a-z]+-[a-z]+-[a-z]+-[a-z]+)/

/** Options of two people with an identity each. */
export async function two(url: string) {
  const folder = await directory()
  const own = (name: string) => ({
    name,
    identity: join(folder, `${name}.json`),
    peers: join(folder, `${name}.peers`),
    args: ['--relay', url, '--identity', join(folder, `${name}.json`)],
  })
  return { bank: own('bank'), customer: own('customer') }
}
export type Person = Awaited<ReturnType<typeof two>>['bank']

export const peer = (person: Person, ...args: readonly string[]) => usmp('relay', 'peer', ...person.args, ...args)
export const named = (person: Person) => ['--name', person.name]

/** Two people who have just met by a code, and talk. */
export async function paired(host: Person, guest: Person): Promise<[Run, Run]> {
  const first = peer(host, '--new-code', ...named(host))
  const [, code] = await first.says('stderr', CODE)
  const second = peer(guest, '--code', code!, ...named(guest))
  await Promise.all([first.says('stderr', /online with /), second.says('stderr', /online with /)])
  return [first, second]
}

/** The same without a word between them. */
export async function acquainted(host: Person, guest: Person): Promise<void> {
  const [first, second] = await paired(host, guest)
  first.write('hello\n').end()
  expect(await first.exit()).toBe(0)
  expect(await second.exit()).toBe(0)
}
