import { existsSync, readdirSync, readFileSync } from 'node:fs'

/** A build has the cases beside it; the sources take those of the repository. */
const built = new URL('./vectors/', import.meta.url)
const folder = existsSync(built) ? built : new URL('../../../vectors/', import.meta.url)

/** What every case has; the other fields depend on topic and operation. */
export interface Case {
  readonly id: number
  readonly comment: string
  readonly result: 'valid' | 'invalid'
  readonly error?: string
}

export interface Group<Params, Test extends Case> {
  readonly params: Params & { readonly op: string }
  readonly tests: readonly Test[]
}

/** The topics there are, by the names of their files. */
export const topics: readonly string[] = readdirSync(folder)
  .filter((name) => name.endsWith('.json'))
  .map((name) => name.slice(0, -'.json'.length))

function groups<Params, Test extends Case>(topic: string): Group<Params, Test>[] {
  return JSON.parse(readFileSync(new URL(`${topic}.json`, folder), 'utf8')).groups
}

/** The groups of a topic that ask for one of `ops`; a topic without any is an error, so that no case is lost by a renaming. */
export function groupsOf<Params, Test extends Case>(topic: string, ...ops: readonly string[]): Group<Params, Test>[] {
  const found = groups<Params, Test>(topic).filter((group) => ops.includes(group.params.op))
  if (found.length === 0) throw new Error(`vectors/${topic}.json has no group for ${ops.join(', ')}`)
  return found
}

/** Every operation of a topic. */
export const opsOf = (topic: string): string[] => [...new Set(groups(topic).map((group) => group.params.op))]

/** How many tests a topic has. */
export const countOf = (topic: string): number => groups(topic).reduce((sum, group) => sum + group.tests.length, 0)

/** How many the table of the folder's README announces, by topic. */
export function countsInReadme(): Record<string, number> {
  const readme = readFileSync(new URL('README.md', folder), 'utf8')
  const rows = readme.matchAll(/^\| \[([a-z0-9-]+)\]\([^)]*\.json\) \| (\d+) \|/gm)
  return Object.fromEntries([...rows].map(([, topic, count]) => [topic, Number(count)]))
}

export const caseName = ({ id, comment }: Case): string => `#${id} ${comment}`
