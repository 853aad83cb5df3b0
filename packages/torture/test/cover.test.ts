import { expect, test } from 'vitest'
import { proveCover } from '../src/cover/cover.js'

test('a relay tells messages from cover as well as a coin does; without a schedule nearly always', async () => {
  const findings = await proveCover(true, 1, () => {})
  expect(findings.map(({ name }) => name).filter((name) => name.startsWith('T'))).toHaveLength(7)
  for (const { name, result, demanded, passed } of findings)
    expect(passed, `${name}: ${result}, and not ${demanded}`).toBe(true)
})
