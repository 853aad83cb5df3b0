import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { buildC, cFolder } from '@usmp/testing/c-programs'
import { beforeAll, expect, test } from 'vitest'

const script = fileURLToPath(new URL('../../../firmware-c/discovery/tests/two_hosts.py', import.meta.url))

beforeAll(() => buildC('usmp-discovery-peer'), 240_000)

test('between two hosts: C asks by broadcast and by the group, hears both, and follows a change of address', () => {
  const command = ['--map-root-user', '--net', 'python3', script, join(cFolder, 'usmp-discovery-peer')]
  const { stdout, stderr, status } = spawnSync('unshare', command, { encoding: 'utf8' })
  expect(stderr).toBe('')
  expect(stdout.trim().split('\n')).toEqual([
    'query to 10.9.0.255 from 10.9.0.2 of 128 bytes',
    'query to 239.255.85.77 from 10.9.0.2 of 128 bytes',
    'asked 10.9.0.255: 10.9.0.2',
    'asked 239.255.85.77: 10.9.0.2',
    'asked 10.9.0.2: 10.9.0.2',
    'after a change of address, asked 239.255.85.77: 10.8.0.2',
  ])
  expect(status).toBe(0)
})
