// A relay as a process of its own, to be killed: `node FILE PORT`.
import { startRelay } from '../../src/server.ts'

// The rate is not what is tested.
const limits = { bytesPerSecond: 1e8, byteBurst: 1e8 }
const relay = await startRelay({ port: Number(process.argv[2]), open: true, limits })
console.log(relay.url.href)
