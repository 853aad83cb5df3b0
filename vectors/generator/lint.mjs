// Checks the committed vectors: schema, ids, flags, repeated cases, size, and the counts that README.md tells.
import { readdirSync, readFileSync } from 'node:fs'
import { faults, load } from './schema.mjs'

const ROOT = new URL('../', import.meta.url)
const MAX_BYTES = 1_500_000

const problems = []
const json = (folder) => readdirSync(new URL(folder, ROOT)).filter((name) => name.endsWith('.json'))
const read = (name) => readFileSync(new URL(name, ROOT), 'utf8')

function lintIds(file, tests) {
  const seen = new Set()
  for (const { id } of tests) {
    if (seen.has(id)) problems.push(`${file}: id ${id} twice`)
    seen.add(id)
  }
}

function lintFlags(file, notes, tests) {
  const used = new Set(tests.flatMap(({ flags }) => flags))
  for (const flag of used) if (!(flag in notes)) problems.push(`${file}: flag ${flag} is not explained`)
  for (const flag of Object.keys(notes)) if (!used.has(flag)) problems.push(`${file}: flag ${flag} is not used`)
}

/** Two tests of a group that differ in words only are one test. */
function lintRepeats(file, tests) {
  const seen = new Map()
  for (const { id, comment: _comment, flags: _flags, ...content } of tests) {
    const key = JSON.stringify(content)
    if (seen.has(key)) problems.push(`${file}: ${id} is ${seen.get(key)} once more`)
    seen.set(key, id)
  }
}

function lintTopic(file) {
  const topic = JSON.parse(read(file))
  problems.push(...faults(load(file), topic, file, file))
  if (`${topic.topic}.json` !== file) problems.push(`${file}: topic is ${topic.topic}`)
  const tests = topic.groups.flatMap((group) => group.tests)
  lintIds(file, tests)
  lintFlags(file, topic.notes, tests)
  for (const group of topic.groups) lintRepeats(file, group.tests)
  return tests.length
}

/** The table of rules in README.md names topics, and flags that they have. */
function lintRules(readme) {
  const table = readme.slice(readme.indexOf('| rule | broken in |')).split('\n\n')[0]
  for (const row of table.split('\n').slice(2)) {
    for (const part of row.split('|')[2].split(';')) {
      const [topic, rest = ''] = part.trim().split(':')
      if (!files.includes(`${topic}.json`)) {
        problems.push(`README.md: there is no topic "${topic}"`)
        continue
      }
      const { notes } = JSON.parse(read(`${topic}.json`))
      for (const flag of rest.match(/\b[A-Z][A-Z_]+\d?\b/g) ?? []) {
        if (!(flag in notes)) problems.push(`README.md: ${topic} has no flag ${flag}`)
      }
    }
  }
}

const files = json('.')
const schemas = json('schema/').filter((name) => name !== 'common.json')
for (const name of schemas) if (!files.includes(name)) problems.push(`schema/${name}: no such topic`)
for (const name of files) if (!schemas.includes(name)) problems.push(`${name}: no schema`)

const readme = read('README.md')
lintRules(readme)
let total = 0
let bytes = 0
for (const file of files.filter((name) => schemas.includes(name))) {
  const count = lintTopic(file)
  total += count
  bytes += read(file).length
  const name = file.replace('.json', '')
  if (!new RegExp(`\\[${name}\\]\\(${file}\\) *\\| *${count} *\\|`).test(readme))
    problems.push(`README.md: does not say that ${name} has ${count} tests`)
}
if (bytes > MAX_BYTES) problems.push(`${bytes} bytes of vectors are more than ${MAX_BYTES}`)

for (const problem of problems) console.error(problem)
if (problems.length > 0) process.exit(1)
console.log(`${files.length} topics, ${total} tests, ${bytes} bytes: good`)
