import { stat } from 'node:fs/promises'
import { describe, expect, test } from 'vitest'
import { CODE, named, peer, relay, two } from './relay-people.js'
import { onTerminal } from './terminal-run.js'
import { done, file } from './usmp.js'

describe('two people at terminals', () => {
  test('meet by a code, talk, and meet again without one', async () => {
    const { url } = await relay()
    const { bank, customer } = await two(url)
    const host = onTerminal('relay', 'peer', ...bank.args, '--new-code', ...named(bank))
    const [, code] = await host.says('stdout', CODE)
    expect(host.stdout).toContain(`│   ${code}   │`)
    const guest = onTerminal('relay', 'peer', ...customer.args, '--code', code!, ...named(customer))
    await host.says('stdout', /online with customer/)
    await guest.says('stdout', /online with bank/)
    host.write('good morning\r')
    await guest.says('stdout', /good morning\r\n/)
    guest.write('the balance, please\r')
    await host.says('stdout', /the balance, please\r\n/)
    // Ctrl-D, at the beginning of a line.
    host.write('\x04')
    expect(await host.exit()).toBe(0)
    expect(await guest.exit()).toBe(0)
    expect(guest.stdout).toContain('ended by bank')
    expect(host.stdout).toMatch(/\bended\r\n/)

    for (const path of [bank.identity, bank.peers]) expect((await stat(path)).mode & 0o777).toBe(0o600)
    const again = peer(bank, '--to', 'customer')
    const other = peer(customer, '--to', 'bank').end('once more\n')
    await again.says('stdout', /once more\n/)
    expect(await other.exit()).toBe(0)
    expect(await again.exit()).toBe(0)
  })

  test('a passphrase is asked for and not shown; a wrong one is refused', async () => {
    const { url } = await relay()
    const { bank } = await two(url)
    const args = ['--identity', bank.identity]
    const passwd = onTerminal('relay', 'identity', 'passwd', ...args)
    await passwd.says('stdout', /new passphrase \(empty for none\): /)
    passwd.write('correct horsx\x7fe\r')
    await passwd.says('stdout', /once more: /)
    passwd.write('correct horse\r')
    expect(await passwd.exit()).toBe(0)
    expect(passwd.stdout).not.toContain('horse')

    const wrong = onTerminal('relay', 'peer', ...bank.args, '--new-code')
    await wrong.says('stdout', /passphrase of the identity: /)
    wrong.write('battery staple\r')
    expect(await wrong.exit()).toBe(5)
    expect(wrong.stdout).toContain('[WRONG_PASSPHRASE]')

    const blind = await done('relay', 'peer', ...bank.args, '--new-code')
    expect(blind.code).toBe(2)
    expect(blind.stderr).toContain('--passphrase-file')
    const right = peer(bank, '--new-code', '--passphrase-file', await file('correct horse\n'))
    await right.says('stderr', CODE)
    const shown = await done('relay', 'identity', ...args)
    expect(shown.stdout).toMatch(/^[\da-f]{64}\n.*sealed by a passphrase\n$/)
  })
})
