import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { as, DEVICE, directory, keyFile, serving, usmp } from './usmp.js'

async function withCommand(command: string, ...args: string[]) {
  return serving('--psk-file', await keyFile(), '--exec', command, ...args)
}

describe('serve --exec', () => {
  test('messages are lines of its input, its lines are messages', async () => {
    const server = await withCommand('while read -r line; do echo "got $line"; done')
    const client = usmp('connect', ...(await as(server.address)), '-W', '1.5').end('a\nb\n')
    expect(await client.exit()).toBe(0)
    expect(client.stdout).toBe('got a\ngot b\n')
    expect(server.stdout).toBe('')
  })

  test('it knows device and session; its end ends the session', async () => {
    const server = await withCommand('echo "$USMP_DEVICE_ID $USMP_SESSION_ID"; exit 3')
    const client = usmp('connect', ...(await as(server.address)), '--json')
    expect(await client.exit()).toBe(0)
    const [message] = client.objects()
    expect(message!.text).toBe(`${DEVICE} ${message!.session_id}`)
    await server.says('stderr', /the command ended with 3/)
  })

  test('a line over 1808 bytes is refused, and costs no other', async () => {
    const server = await withCommand("echo before; printf '%01809d\\n' 0; echo after")
    const client = usmp('connect', ...(await as(server.address)))
    expect(await client.exit()).toBe(0)
    expect(client.stdout).toBe('before\nafter\n')
    await server.says('stderr', /line 2 of the command has 1809 bytes.*MESSAGE_TOO_LARGE/)
  })

  test('a command that does not read is no obstacle', async () => {
    const server = await withCommand('exec <&-; echo deaf; sleep 0.3; echo done')
    const client = usmp('connect', ...(await as(server.address)))
    client.write(`${'x\n'.repeat(500)}`)
    expect(await client.exit()).toBe(0)
    expect(client.stdout).toBe('deaf\ndone\n')
  })

  test('a command that does not end by itself is ended', async () => {
    const server = await withCommand("trap '' TERM; echo started; while :; do sleep 1; done")
    const client = usmp('connect', ...(await as(server.address)))
    await client.says('stdout', /started/)
    client.end()
    await server.says('stderr', /the command ended by SIGKILL/)
  })

  test('a device that comes again waits until its first command has ended', async () => {
    const gate = join(await directory(), 'gate')
    // It does not end with its input, as the first one of a device that vanished may not.
    const server = await withCommand(`echo begun; cat > /dev/null; while [ ! -e ${gate} ]; do sleep 0.05; done`)
    const options = await as(server.address)
    const first = usmp('connect', ...options)
    await first.says('stdout', /begun/)
    const second = usmp('connect', ...options)
    await server.says('stderr', /its command waits/)
    expect(second.stdout).toBe('')
    await writeFile(gate, '')
    await second.says('stdout', /begun/)
    expect(first.stdout).toBe('begun\n')
  })

  test('-1: one message for the command, then end', async () => {
    const server = await withCommand('sort', '-1')
    const client = usmp('connect', ...(await as(server.address)), '-1').end('x\n')
    expect(await client.exit()).toBe(0)
    expect(await server.exit()).toBe(0)
    expect(client.stdout).toBe('x\n')
  })
})
