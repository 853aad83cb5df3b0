// A relay as a process that tells what it holds: `node --expose-gc FILE`. Each line of the standard input is a command.
import { createInterface } from 'node:readline'
import { writeHeapSnapshot } from 'node:v8'
import { startRelay } from '../../src/server.ts'

const limits = { joinsPerSecond: 1e6, joinBurst: 1e6, waitingPerAddress: 1e6, circuitsPerAddress: 1e6 }
const relay = await startRelay({ port: 0, open: true, limits })
console.log(relay.url.href)

for await (const line of createInterface(process.stdin)) {
  const [command, file] = line.split(' ')
  if (command === 'memory') console.log(await memory())
  else if (command === 'metrics') console.log(JSON.stringify(relay.metrics()))
  else if (command === 'snapshot') console.log(writeHeapSnapshot(file))
}
await relay.close()

/** Bytes of objects and buffers after a collection. */
async function memory(): Promise<number> {
  // Twice, as what the first collection finishes off is free only in the second.
  for (let round = 0; round < 2; round++) {
    globalThis.gc!()
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
  const { heapUsed, external } = process.memoryUsage()
  return heapUsed + external
}
