// Runs one target in a thread of its own, so that the main one can tell when it hangs.
// First of all: instrumented code looks for its counters as it is loaded.
import './hits.js'
import { parentPort, workerData } from 'node:worker_threads'
import { Engine } from './engine.js'
import { hits } from './hits.js'
import { targets } from './targets.js'
import { CURRENT_HEAD, type Task } from './task.js'

const task = workerData as Task
const head = new Int32Array(task.current.buffer, 0, 2)

const target = targets[task.target]!
target.prepare?.()
const engine = new Engine(target, task.maxLength, hits, (input) => {
  task.current.set(input.subarray(0, task.current.length - CURRENT_HEAD), CURRENT_HEAD)
  head[1] = input.length
  head[0]!++
})
const grown = await engine.grow(task.start, task.seed, task)
const corpus = task.minimise && !grown.crash ? await engine.minimise(grown.corpus) : grown.corpus
parentPort!.postMessage({ ...grown, corpus })
