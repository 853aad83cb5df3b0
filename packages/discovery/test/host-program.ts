// A program for one host of a simulated LAN: announces something until its stdin ends, or searches and tells what it sees, one JSON object a
// line. Its only argument is what to do.
import { announce } from '../src/announce.ts'
import { discover } from '../src/discover.ts'
import type { AnnounceOptions, DiscoverOptions } from '../src/options.ts'

type Task = { readonly announce: AnnounceOptions } | { readonly discover: DiscoverOptions }

const say = (what: unknown) => process.stdout.write(`${JSON.stringify(what)}\n`)
const task = JSON.parse(process.argv[2]!) as Task
if ('announce' in task) {
  const warnings: string[] = []
  const announcement = await announce({ ...task.announce, onWarning: (message) => warnings.push(message) })
  say({ instance: announcement.instance, interfaces: announcement.interfaces, warnings })
  process.stdin.on('end', () => void announcement.close().then(() => process.exit(0))).resume()
} else {
  const search = discover(task.discover)
  for await (const found of search) say({ found })
  say({ tried: search.tried })
}
