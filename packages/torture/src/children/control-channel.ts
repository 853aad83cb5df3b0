import { writeSync } from 'node:fs'
import { type IntervalHistogram, monitorEventLoopDelay } from 'node:perf_hooks'
import { createInterface } from 'node:readline'

/** How often the delay of the event loop is looked at, ms. */
const RESOLUTION = 10

/** Bytes after a collection. */
export interface Memory {
  readonly resident: number
  /** Objects and buffers of JavaScript. */
  readonly heap: number
}

/** How late the event loop was, ms. */
export interface Delay {
  readonly p50: number
  readonly p99: number
  readonly max: number
}

/** What is open in the process, by kind; its own input and output are not counted. */
export type Resources = Readonly<Record<string, number>>

type Command = (...args: never[]) => unknown

let histogram: IntervalHistogram | undefined

/** What every child can be asked. */
const common: Record<string, Command> = {
  memory,
  resources,
  /** Begins to watch the event loop. */
  watch() {
    histogram = monitorEventLoopDelay({ resolution: RESOLUTION })
    histogram.enable()
  },
  delay,
}

/** Carries out commands from standard input, one after the other: a line of JSON each, `[command, …arguments]`. Ends with the input. */
export async function serveCommands(own: Record<string, Command>): Promise<never> {
  const commands = { ...common, ...own } as Record<string, (...args: unknown[]) => unknown>
  for await (const line of createInterface({ input: process.stdin })) {
    const [name, ...args] = JSON.parse(line) as [string, ...unknown[]]
    try {
      const command = commands[name]
      if (!command) throw new Error(`no such command: ${name}`)
      write({ answer: (await command(...args)) ?? null })
    } catch (error) {
      write({ error: (error as Error).stack ?? String(error) })
    }
  }
  process.exit()
}

/** Says what happened. It has left the process when this returns: a child that is killed has said it. */
export function say(event: string, fields: Readonly<Record<string, unknown>> = {}): void {
  write({ event, ...fields })
}

function write(value: unknown): void {
  let rest = Buffer.from(`${JSON.stringify(value)}\n`)
  while (rest.length > 0) {
    try {
      rest = rest.subarray(writeSync(1, rest))
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EAGAIN') throw error
    }
  }
}

async function memory(): Promise<Memory> {
  // Several times, as what one collection finishes off is free only in the next.
  for (let i = 0; i < 3; i++) {
    globalThis.gc!()
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
  const { rss, heapUsed, external } = process.memoryUsage()
  return { resident: rss, heap: heapUsed + external }
}

function resources(): Resources {
  const counts: Record<string, number> = {}
  for (const kind of process.getActiveResourcesInfo()) if (kind !== 'PipeWrap') counts[kind] = (counts[kind] ?? 0) + 1
  return counts
}

/** Since the last look, or since `watch`. */
function delay(): Delay {
  // What the histogram holds is from one look to the next.
  const late = (ns: number) => Math.max(0, ns / 1e6 - RESOLUTION)
  const found = {
    p50: late(histogram!.percentile(50)),
    p99: late(histogram!.percentile(99)),
    max: late(histogram!.max),
  }
  histogram!.reset()
  return found
}
