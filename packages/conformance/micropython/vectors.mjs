// vectors_program.py under MicroPython: lines in, lines out.
import { readFileSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { startMicroPython } from './interpreter.mjs'

const program = readFileSync(new URL('../../../firmware-micropython/tests/vectors_program.py', import.meta.url), 'utf8')
const { call } = await startMicroPython(program.replace('__name__ == "__main__"', 'False'))
for await (const line of createInterface({ input: process.stdin })) process.stdout.write(`${call('answer', line)}\n`)
