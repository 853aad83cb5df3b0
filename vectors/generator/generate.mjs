// Writes vectors/<topic>.json. With --check it writes nothing and fails where a file is not what it would write.
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'

const here = new URL('.', import.meta.url)
const check = process.argv.includes('--check')

const lines = (items, indent) => items.map((item) => indent + JSON.stringify(item)).join(',\n')

const groupText = ({ params, tests }) =>
  `    {\n      "params": ${JSON.stringify(params)},\n      "tests": [\n${lines(tests, '        ')}\n      ]\n    }`

/** One line for the params of a group and one for each test, so that a change shows as the lines it changes. */
function text({ groups, ...head }) {
  const start = JSON.stringify(head, null, 2).slice(0, -2)
  return `${start},\n  "groups": [\n${groups.map(groupText).join(',\n')}\n  ]\n}\n`
}

let stale = 0
const names = readdirSync(new URL('topics/', here)).sort()
for (const name of names) {
  const { default: build } = await import(new URL(`topics/${name}`, here))
  const built = build()
  const file = new URL(`../${built.topic}.json`, here)
  const made = text(built)
  if (!check) {
    writeFileSync(file, made)
  } else if (!existsSync(file) || readFileSync(file, 'utf8') !== made) {
    console.error(`vectors/${built.topic}.json is not what the generator makes`)
    stale++
  }
}
if (stale > 0) process.exit(1)
console.log(`${names.length} topics ${check ? 'are what the generator makes' : 'written'}`)
