// As much of JSON Schema (draft 2020-12) as vectors/schema uses. A keyword that is not here is an error, never ignored.
import { readFileSync } from 'node:fs'

const FOLDER = new URL('../schema/', import.meta.url)
const loaded = new Map()

export function load(name) {
  if (!loaded.has(name)) loaded.set(name, JSON.parse(readFileSync(new URL(name, FOLDER), 'utf8')))
  return loaded.get(name)
}

function kind(value) {
  if (Array.isArray(value)) return 'array'
  if (Number.isInteger(value)) return 'integer'
  return typeof value
}

function refer(ref, home) {
  const [file, pointer] = ref.split('#')
  const name = file || home
  return {
    name,
    schema: pointer
      .split('/')
      .slice(1)
      .reduce((at, key) => at[key], load(name)),
  }
}

/** Each rule gives the faults of `value`, as lines that begin with the place. */
const RULES = {
  $schema: () => [],
  $defs: () => [],
  title: () => [],
  $ref(ref, value, at, home) {
    const { name, schema } = refer(ref, home)
    return faults(schema, value, at, name)
  },
  allOf: (schemas, value, at, home) => schemas.flatMap((schema) => faults(schema, value, at, home)),
  oneOf(schemas, value, at, home) {
    const found = schemas.map((schema) => faults(schema, value, at, home))
    const good = found.filter((list) => list.length === 0).length
    if (good === 1) return []
    // The schema with the fewest faults is the one that was meant.
    return good > 1 ? [`${at}: fits more than one schema`] : found.sort((a, b) => a.length - b.length)[0]
  },
  if: (schema, value, at, home, { then, else: otherwise }) =>
    faults(faults(schema, value, at, home).length === 0 ? then : otherwise, value, at, home),
  // biome-ignore lint/suspicious/noThenProperty: the keyword is called so
  then: () => [],
  else: () => [],
  type: (name, value, at) => (kind(value) === name ? [] : [`${at}: not of type ${name}`]),
  const: (expected, value, at) => (value === expected ? [] : [`${at}: not ${expected}`]),
  enum: (list, value, at) => (list.includes(value) ? [] : [`${at}: ${value} is none of ${list.join(' ')}`]),
  pattern: (source, value, at) =>
    typeof value !== 'string' || new RegExp(source).test(value) ? [] : [`${at}: does not match ${source}`],
  minimum: (limit, value, at) => (typeof value !== 'number' || value >= limit ? [] : [`${at}: under ${limit}`]),
  maximum: (limit, value, at) => (typeof value !== 'number' || value <= limit ? [] : [`${at}: over ${limit}`]),
  minItems: (limit, value, at) =>
    !Array.isArray(value) || value.length >= limit ? [] : [`${at}: fewer than ${limit}`],
  items: (schema, value, at, home) =>
    Array.isArray(value) ? value.flatMap((item, index) => faults(schema, item, `${at}[${index}]`, home)) : [],
  required: (names, value, at) =>
    kind(value) === 'object' ? names.filter((name) => !(name in value)).map((name) => `${at}: ${name} is missing`) : [],
  properties: (schemas, value, at, home) =>
    kind(value) === 'object'
      ? Object.entries(schemas).flatMap(([name, schema]) =>
          name in value ? faults(schema, value[name], `${at}.${name}`, home) : [],
        )
      : [],
  additionalProperties: (schema, value, at, home, { properties = {} }) =>
    kind(value) === 'object'
      ? Object.keys(value)
          .filter((name) => !(name in properties))
          .flatMap((name) => faults(schema, value[name], `${at}.${name}`, home))
      : [],
}

export function faults(schema, value, at, home) {
  if (schema === false) return [`${at}: must not be there`]
  return Object.entries(schema).flatMap(([keyword, argument]) => {
    const rule = RULES[keyword]
    if (!rule) throw new Error(`${home}: the keyword ${keyword} is not supported`)
    return rule(argument, value, at, home, schema)
  })
}
