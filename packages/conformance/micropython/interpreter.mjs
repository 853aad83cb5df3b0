// MicroPython in WebAssembly with the package in it, as on a board: no sockets, so whoever uses it carries the bytes.
import { readdirSync, readFileSync } from 'node:fs'
import { loadMicroPython } from '@micropython/micropython-webassembly-pyscript'

const source = new URL('../../../firmware-micropython/microusmp/', import.meta.url)

/** @returns an interpreter that finds `microusmp`, and `call(name, ...args)` for functions of `program` */
export async function startMicroPython(program) {
  const python = await loadMicroPython({ stdout: (line) => process.stderr.write(`${line}\n`) })
  python.FS.mkdir('/lib')
  python.FS.mkdir('/lib/microusmp')
  for (const file of readdirSync(source).filter((name) => name.endsWith('.py'))) {
    python.FS.writeFile(`/lib/microusmp/${file}`, readFileSync(new URL(file, source)))
  }
  python.runPython('import sys\nsys.path.append("/lib")')
  python.runPython(program)
  return { python, call: (name, ...args) => python.globals.get(name)(...args) }
}
