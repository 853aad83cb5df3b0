import { createHash, X509Certificate } from 'node:crypto'
import { readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { CipherSuite, Session } from '@usmp/core'
import { nodeRandom } from '@usmp/node'
import { type Identity, openCircuit } from '@usmp/relay'
import { nodeDial, readIdentityFile } from '@usmp/relay/node'
import { makeCertificate } from '@usmp/testing/certificate'
import { describe, expect, test } from 'vitest'
import { acquainted, CODE, named, paired, peer, relay, two } from './relay-people.js'
import { deserted, directory, done, file, keyFile, OTHER_KEY } from './usmp.js'

test('an identity is sealed at its first use, sealed anew, and opened for good, by passphrases in files', async () => {
  const { bank } = await two('ws://127.0.0.1:1')
  const [first, second] = await Promise.all(['first words\n', 'second words'].map((text) => file(text)))
  const run = (...args: string[]) => done('relay', 'identity', ...args, '--identity', bank.identity)
  const shown = (await run('show', '--passphrase-file', first!, '--json')).objects()
  expect(shown).toMatchObject([{ event: 'identity', sealed: true }])
  expect((await run('passwd', '--passphrase-file', first!, '--new-passphrase-file', second!)).code).toBe(0)
  expect((await run('passwd', '--passphrase-file', first!, '--remove')).code).toBe(5)
  expect((await run('passwd', '--passphrase-file', second!, '--remove')).code).toBe(0)
  expect((await run('--json')).objects()).toEqual([{ ...shown[0], sealed: false }])
  expect((await stat(bank.identity)).mode & 0o777).toBe(0o600)
})

describe('who is who', () => {
  test('a wrong code is used up at both ends, and nobody becomes known', async () => {
    const { url } = await relay()
    const { bank, customer } = await two(url)
    const host = peer(bank, '--new-code', ...named(bank))
    const [, code] = await host.says('stderr', CODE)
    const [one, two_, three, four] = code!.split('-')
    const wrong = [one, two_, four, three === four ? 'zoo' : three].join('-')
    const guest = peer(customer, '--code', wrong, ...named(customer))
    expect(await guest.exit()).toBe(5)
    expect(await host.exit()).toBe(5)
    expect(host.stderr).toContain('[PAIRING_FAILED]')
    expect(host.stdout + guest.stdout).toBe('')
    for (const { identity } of [bank, customer]) {
      expect((await done('relay', 'peers', '--identity', identity)).stderr).toContain('no peer is known')
    }
  })

  test('a code with a word that is none is wrong usage', async () => {
    const { bank } = await two('ws://127.0.0.1:1')
    const run = await done('relay', 'peer', ...bank.args, '--code', 'abandon-abilety-able-about')
    expect(run.code).toBe(2)
    expect(run.stderr).toContain('ability')
  })

  test('a known name with another identity: exit 6, nothing is changed, and the command that mends it', async () => {
    const { url } = await relay()
    const { bank, customer } = await two(url)
    await acquainted(bank, customer)
    const before = await readFile(bank.peers)
    const stranger = { ...(await two(url)).customer }
    const host = peer(bank, '--new-code', ...named(bank))
    const [, code] = await host.says('stderr', CODE)
    peer(stranger, '--code', code!, ...named(customer))
    expect(await host.exit()).toBe(6)
    expect(host.stderr).toContain('[IDENTITY_CHANGED]')
    expect(host.stdout).toBe('')
    expect(await readFile(bank.peers)).toEqual(before)
    const [, command] = /usmp (relay forget customer --identity \S+)/.exec(host.stderr)!
    expect((await done(...command!.split(' '))).code).toBe(0)
    const [first, second] = await paired(bank, stranger)
    second.end('it is me\n')
    await first.says('stdout', /it is me/)
  })

  test('somebody on the route without the key of the peer: exit 6, and nothing was said', async () => {
    const { url } = await relay()
    const people = await two(url)
    await acquainted(people.bank, people.customer)
    const [own, other] = await Promise.all(
      [people.bank, people.customer].map(async ({ identity }) => (await readIdentityFile(identity)) as Identity),
    )
    const keys = own!.pairWith(other!.publicKey)
    // The one with side 0 sees the proof of whoever comes.
    const [victim, absent] = keys.side === 0 ? [people.bank, people.customer] : [people.customer, people.bank]
    const day = new Date().toISOString().slice(0, 10)
    const run = peer(victim, '--to', absent.name)
    await run.says('stderr', /waiting for/)
    const join = { route: keys.route(day), side: 1, pairing: false, token: new Uint8Array(0) } as const
    const circuit = await openCircuit({ url: new URL(url), dial: nodeDial(), join })
    const stranger = { deviceId: keys.deviceId(day), psk: nodeRandom(32), suite: CipherSuite.CHACHA20_POLY1305 }
    const refused = { code: 'HANDSHAKE_REFUSED' }
    await expect(Session.connect(circuit, { ...stranger, random: nodeRandom })).rejects.toMatchObject(refused)
    expect(await run.exit()).toBe(6)
    expect(run.stderr).toContain(`usmp relay forget ${absent.name}`)
    expect(run.stdout).toBe('')
  })

  test('identities as files: both ends see the same words, and note that they compared them', async () => {
    const { url } = await relay()
    const { bank, customer } = await two(url)
    const files: Record<string, string> = {}
    for (const { name, identity } of [bank, customer]) {
      files[name] = join(await directory(), name)
      const exported = await done('relay', 'identity', 'export', files[name], '--name', name, '--identity', identity)
      expect(exported.code).toBe(0)
    }
    expect((await done('relay', 'add', files.customer!, '--identity', bank.identity)).code).toBe(0)
    const again = await done('relay', 'add', files.customer!, '--identity', bank.identity)
    expect(again.stderr).toContain('customer is known already, with the same key')
    const receiver = peer(customer, '--peer-file', files.bank!)
    const sender = peer(bank, '--to', 'customer').end('by files\n')
    await receiver.says('stdout', /by files/)
    expect(await sender.exit()).toBe(0)
    expect(await receiver.exit()).toBe(0)

    const words = async (name: string, identity: string) =>
      (await done('relay', 'identity', 'words', name, '--identity', identity)).stdout
    const seen = await words('customer', bank.identity)
    expect(seen).toMatch(/^(\w+ ){5}\w+\n(\w+ ){5}\w+\n$/)
    expect(await words('bank', customer.identity)).toBe(seen)
    expect((await done('relay', 'verify', 'customer', '--identity', bank.identity)).code).toBe(0)
    const listed = await done('relay', 'peers', '--identity', bank.identity, '--json')
    expect(listed.objects()).toMatchObject([{ event: 'peer', peer: 'customer', verified: true }])
    for (const command of ['verify', 'forget', 'identity words']) {
      const unknown = await done('relay', ...command.split(' '), 'nobody', '--identity', bank.identity)
      expect(unknown.code, command).toBe(2)
      expect(unknown.stderr, command).toContain(`usmp relay peers --identity ${bank.identity}`)
    }
    expect((await done('relay', 'add', bank.identity, '--identity', customer.identity)).code).toBe(2)
  })
})

describe('messages', () => {
  test('a relay that is killed and started again at the same port: all lines arrive, once and in order', async () => {
    const first = await relay()
    const { bank, customer } = await two(first.url)
    const [host, guest] = await paired(bank, customer)
    const lines = Array.from({ length: 300 }, (_, n) => `line ${n}`)
    host.write(`${lines.slice(0, 100).join('\n')}\n`)
    guest.write('from the other side\n')
    await guest.says('stdout', /line 9\n/)
    first.child.kill('SIGKILL')
    await first.exit()
    host.write(`${lines.slice(100, 200).join('\n')}\n`)
    await host.says('stderr', /not connected to/)
    await relay(new URL(first.url).host)
    host.end(`${lines.slice(200).join('\n')}\n`)
    expect(await host.exit()).toBe(0)
    expect(await guest.exit()).toBe(0)
    expect(guest.stdout.trim().split('\n')).toEqual(lines)
    expect(host.stdout).toBe('from the other side\n')
  })

  test('an end before the other one has everything is no good end', async () => {
    const { url } = await relay()
    const { bank, customer } = await two(url)
    const [host, guest] = await paired(bank, customer)
    guest.child.kill('SIGKILL')
    await host.says('stderr', /online with customer[\s\S]*waiting for customer/)
    // The second line is refused, which tells that the first one was taken.
    host.write(`are you there?\n${'x'.repeat(2000)}\n`)
    await host.says('stderr', /line 2 of stdin has 2000 bytes/)
    host.child.kill('SIGINT')
    expect(await host.exit()).toBe(3)
    expect(host.stderr).toMatch(/not confirmed by customer.*: are you there\?/)
  })

  test('cover, as JSON', async () => {
    const { url } = await relay()
    const { bank, customer } = await two(url)
    await acquainted(bank, customer)
    const covered = [...['--cover', '50'], '--json']
    const receiver = peer(bank, '--to', 'customer', ...covered)
    const sender = peer(customer, '--to', 'bank', ...covered).end('hidden\n')
    expect(await sender.exit()).toBe(0)
    expect(await receiver.exit()).toBe(0)
    expect(receiver.objects()).toEqual([{ event: 'message', peer: 'customer', text: 'hidden' }])
    const states = sender.objects('stderr').flatMap(({ event, state }) => (event === 'state' ? [state] : []))
    expect(states).toContain('online')
  })

  test('plain sessions with a key that both ends were given', async () => {
    const { url } = await relay()
    const { bank, customer } = await two(url)
    const key = ['--pair-key-file', await keyFile(), '--no-channel']
    const receiver = peer(bank, ...key, '--side', '0')
    const sender = peer(customer, ...key, '--side', '1').end('21.5 °C\n')
    await receiver.says('stdout', /21.5 °C\n/)
    expect(await sender.exit()).toBe(0)
    receiver.child.kill('SIGTERM')
    expect(await receiver.exit()).toBe(0)
  })

  test('a peer as a service: messages by its API, also from the next conversation', async () => {
    const { url } = await relay()
    const { bank, customer } = await two(url)
    await acquainted(bank, customer)
    const tokenFile = join(await directory(), 'token')
    const api = ['--api', '127.0.0.1:0', '--api-token-file', tokenFile]
    const service = peer(bank, '--to', 'customer', ...api).end()
    const [, base] = await service.says('stderr', /the API is at (\S+)/)
    expect((await stat(tokenFile)).mode & 0o777).toBe(0o600)
    const authorization = `Bearer ${(await readFile(tokenFile, 'utf8')).trim()}`
    const headers = { authorization, 'content-type': 'application/json' }
    const queued = await fetch(`${base}/messages`, { method: 'POST', headers, body: '{"text":"for you"}' })
    expect(queued.status).toBe(202)
    const visitor = peer(customer, '--to', 'bank')
    await visitor.says('stdout', /for you\n/)
    visitor.end('first\n')
    expect(await visitor.exit()).toBe(0)
    await service.says('stderr', /ended/)
    const next = peer(customer, '--to', 'bank').end('second\n')
    expect(await next.exit()).toBe(0)
    const { messages } = (await (await fetch(`${base}/messages`, { headers })).json()) as { messages: object[] }
    expect(messages).toMatchObject([{ text: 'first' }, { text: 'second' }])
    expect(await (await fetch(`${base}/state`, { headers })).json()).toMatchObject({ peer: 'customer' })
    service.child.kill('SIGTERM')
    expect(await service.exit()).toBe(0)
  })
})

describe('the relay', () => {
  test('refuses a peer without a token at once: exit 5', async () => {
    const key = await keyFile()
    const { url } = await relay('127.0.0.1:0', '--token-key', key)
    const { bank, customer } = await two(url)
    const refused = await done('relay', 'peer', ...bank.args, '--new-code')
    expect(refused.code).toBe(5)
    expect(refused.stderr).toContain('[RELAY_REFUSED]')
    const token = await file((await done('relay', 'token', '--token-key', key)).stdout, 'token')
    const host = peer(bank, '--new-code', '--token-file', token, ...named(bank))
    const [, code] = await host.says('stderr', CODE)
    expect(host.stderr).toContain(`--code ${code} --token-file FILE`)
    const guest = peer(customer, '--code', code!, '--token-file', token, ...named(customer))
    await guest.says('stderr', /online with bank/)
    await host.says('stderr', /online with customer/)
    const forged = await file((await done('relay', 'token', '--token-key', await keyFile(OTHER_KEY))).stdout, 'token')
    const later = await done('relay', 'peer', ...bank.args, '--to', 'customer', '--token-file', forged)
    expect(later.code).toBe(5)
    expect(later.stderr).toContain('[RELAY_REFUSED]')
  })

  test('over TLS: its authority or its key, and a certificate for a relay that asks for one', async () => {
    const [own, ours] = await Promise.all([makeCertificate(), makeCertificate()])
    const [cert, key, ourCert, ourKey] = await Promise.all(
      [own.cert, own.key, ours.cert, ours.key].map((pem) => file(pem)),
    )
    const { url } = await relay(
      '127.0.0.1:0',
      ...['--open', '--tls-cert', cert!, '--tls-key', key!, '--client-ca', ourCert!],
    )
    const { bank, customer } = await two(url)
    const spki = new X509Certificate(own.cert).publicKey.export({ type: 'spki', format: 'der' })
    const pin = createHash('sha256').update(spki).digest('hex')
    const client = ['--cert', ourCert!, '--key', ourKey!]
    const host = peer(bank, '--new-code', '--ca', cert!, ...client, ...named(bank))
    const [, code] = await host.says('stderr', CODE)
    const guest = peer(customer, '--code', code!, '--pin', pin, ...client, ...named(customer))
    await guest.says('stderr', /online with bank/)
    await host.says('stderr', /online with customer/)
    for (const trust of [['--pin', 'ab'.repeat(32)], []]) {
      const refused = await done('relay', 'peer', ...customer.args, '--to', 'bank', ...trust, ...client)
      expect(refused.stderr).toContain('[UNTRUSTED_CERTIFICATE]')
      expect(refused.code).toBe(6)
    }
  })

  test('that is not there is told, and SIGINT ends the wait', async () => {
    const { bank } = await two(`ws://${await deserted()}`)
    const run = peer(bank, '--new-code').end()
    await run.says('stderr', /\[UNREACHABLE\]; trying again/)
    run.child.kill('SIGINT')
    expect(await run.exit()).toBe(130)
  })

  test('in the network only over TLS', async () => {
    const { bank } = await two('ws://relay.example')
    const run = await done('relay', 'peer', ...bank.args, '--new-code')
    expect(run.code).toBe(2)
    expect(run.stderr).toContain('wss://')
  })
})

describe('wrong usage', () => {
  test.each([
    [[], 'it is not said who the other end is'],
    [['--new-code', '--to', 'x'], 'in several ways'],
    [['--to', 'x', '--side', '0'], '--pair-key-file and --side'],
    [['--to', 'x', '--no-channel', '--cover', '1'], '--cover needs the channel'],
    [['--to', 'x', '--api', '127.0.0.1:0'], '--api-token-file'],
    [['--to', 'x', '--cert', 'x'], '--cert and --key'],
    [['--to', 'x'], 'no peer is known as "x"'],
    [['--new-code', '--name', 'x'.repeat(33)], 'more than 32 bytes'],
  ])('%j', async (args, message) => {
    const { bank } = await two('ws://127.0.0.1:1')
    const run = await done('relay', 'peer', ...bank.args, ...args)
    expect(run.stderr).toContain(message)
    expect(run.code).toBe(2)
  })
})
