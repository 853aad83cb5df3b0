import { createInterface } from 'node:readline'

/** Memory of this process after a collection, bytes. */
interface Memory {
  readonly resident: number
  /** Objects and buffers of JavaScript. */
  readonly heap: number
}

/** Obeys lines on standard input, one after the other, and answers each with a line of JSON. */
export async function obey(commands: Record<string, (argument: number) => unknown>): Promise<never> {
  for await (const line of createInterface({ input: process.stdin })) {
    const [name = '', argument] = line.split(' ')
    const answer = name === 'memory' ? await memory() : await commands[name]?.(Number(argument))
    process.stdout.write(`${JSON.stringify(answer ?? null)}\n`)
  }
  process.exit()
}

async function memory(): Promise<Memory> {
  // Twice, as what the first collection finishes off is free only in the second.
  for (let i = 0; i < 2; i++) {
    globalThis.gc!()
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
  const { rss, heapUsed, external } = process.memoryUsage()
  return { resident: rss, heap: heapUsed + external }
}
