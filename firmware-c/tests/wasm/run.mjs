// Runs a WASI program in this process: node run.mjs PROGRAM.wasm
import { readFile } from 'node:fs/promises'
import { WASI } from 'node:wasi'

const [program] = process.argv.slice(2)
if (!program) {
  console.error('usage: node run.mjs PROGRAM.wasm')
  process.exit(2)
}
const wasi = new WASI({ version: 'preview1', returnOnExit: true })
const module = await WebAssembly.compile(await readFile(program))
const instance = await WebAssembly.instantiate(module, wasi.getImportObject())
process.exitCode = wasi.start(instance)
