// Comes before all instrumented code, which looks for its counters as it is loaded.
import { workerData } from 'node:worker_threads'
import { HITS, type Task } from './task.js'

/** A byte for each point; the length is a multiple of 4. */
export const hits = new Uint8Array(4 * Math.ceil((workerData as Task).points / 4))
Object.assign(globalThis, { [HITS]: hits })
