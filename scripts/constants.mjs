// Writes the numbers of the specification (`docs/spec/constants.json`) to where they are used: TypeScript, C and appendix A.
// `--check` fails where one of these differs, and writes nothing. The generator of the vectors has its own numbers, on purpose.
import { readFileSync, writeFileSync } from 'node:fs'

const source = 'docs/spec/constants.json'
const at = (path) => new URL(`../${path}`, import.meta.url)
const groups = JSON.parse(readFileSync(at(source), 'utf8'))
const byName = new Map(groups.flatMap(({ constants }) => constants.map((constant) => [constant.name, constant])))
const INT16_MAX = 0x7fff

/** An expression with the names of other constants replaced by what `nameOf` gives for them. */
function spell(value, nameOf) {
  return value.replace(/[A-Z][A-Z0-9_]+/g, (name) => {
    if (!byName.has(name)) throw new Error(`${source}: ${name} is used and not defined`)
    return nameOf(byName.get(name))
  })
}

function resultOf({ value }) {
  return Number(Function(`return ${spell(value, (other) => resultOf(other))}`)())
}

function sentence({ text, unit, section }) {
  return `${text}${unit ? `, ${unit}` : ''} (specification, section ${section}).`
}

function typeScript({ object, note, constants }) {
  if (!object) {
    return constants.map((row) => `/** ${sentence(row)} */\nexport const ${row.name} = ${row.value}`).join('\n')
  }
  const rows = constants.map((row) => `  /** ${sentence(row)} */\n  ${row.name}: ${row.value},`)
  return [`/** ${note} */`, `export const ${object} = {`, ...rows, '} as const'].join('\n')
}

/** Times are unsigned, and so is what an `int` of 16 bits cannot hold. An expression stands in brackets. */
function literal({ value, unit }) {
  if (value.includes(' ')) return `(${spell(value, ({ c }) => c)})`
  const digits = value.startsWith('0x') ? `0x${value.slice(2).toUpperCase()}` : value.replaceAll('_', '')
  return unit === 'ms' || Number(digits) > INT16_MAX ? `${digits}u` : digits
}

function c({ title, configurable, constants }) {
  const rows = constants.filter((row) => row.c)
  const define = (row) => {
    const lines = [`/* ${sentence(row)} */`, `#define ${row.c} ${literal(row)}`]
    return configurable ? [`#ifndef ${row.c}`, ...lines, '#endif'] : lines
  }
  const head = configurable ? [`/* ${title}: a build may set its own. */`] : []
  return [...head, ...rows.flatMap(define)].join('\n')
}

function markdown({ title, note, constants }) {
  const rows = constants.map((row) => {
    const result = row.value.includes(' ') ? `${resultOf(row)}` : row.value.replaceAll('_', '')
    const cells = [`\`${row.name}\``, `${result}${row.unit ? ` ${row.unit}` : ''}`, row.text, row.section]
    return `| ${[...cells, row.c ? `\`${row.c}\`` : ''].join(' | ')} |`
  })
  const head = ['| name | value | what it is | section | in C |', '|---|---|---|---|---|']
  return [`### ${title}`, '', ...(note ? [note, ''] : []), ...head, ...rows].join('\n')
}

/** Where the constants stand, each between two lines that name this program. */
const targets = [
  { path: 'packages/core/src/constants.ts', write: typeScript, open: '//', close: '' },
  { path: 'firmware-c/include/usmp/constants.h', write: c, open: '/*', close: ' */' },
  { path: 'docs/spec/appendix-a-constants.md', write: markdown, open: '<!--', close: ' -->' },
]

function filled({ path, write, open, close }, text) {
  const first = `${open} Made by scripts/constants.mjs from ${source}: begin.${close}`
  const last = `${open} Made by scripts/constants.mjs: end.${close}`
  const [before, rest] = text.split(first)
  const after = rest?.split(last)[1]
  if (after === undefined) throw new Error(`${path} needs the lines "${first}" and "${last}"`)
  const body = groups.map(write).filter((part) => part.includes('\n'))
  return `${before}${first}\n\n${body.join('\n\n')}\n\n${last}${after}`
}

const check = process.argv[2] === '--check'
let stale = 0
for (const target of targets) {
  const text = readFileSync(at(target.path), 'utf8')
  const fresh = filled(target, text)
  if (fresh === text) continue
  if (!check) writeFileSync(at(target.path), fresh)
  else {
    stale++
    console.error(`${target.path} differs from ${source}; run: node scripts/constants.mjs`)
  }
}
if (stale > 0) process.exit(1)
