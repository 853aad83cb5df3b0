import { expect, test } from 'vitest'
import { clockJumps, fullDisk, heldUp, killAmongApprovals } from '../src/gateway.js'

const options = { short: true, seed: 1, minutes: 0, progress: () => {} }

// They mostly wait.
test.concurrent.each([
  ['killed among approvals: before or after, never half', killAmongApprovals],
  ['disk full: commands are refused, sessions live on, and it recovers', fullDisk],
  ['a device that is held up is offline, and online again when it goes on', heldUp],
  ['a clock that jumps changes nothing', clockJumps],
])(
  'gateway: %s',
  async (_, play) => {
    const { violations } = await play(options)
    // As one text, which a failure shows.
    expect(violations.join('\n')).toBe('')
  },
  600_000,
)
