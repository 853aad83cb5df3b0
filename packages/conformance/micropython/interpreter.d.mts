/** An interpreter that finds `microusmp`, and `call` for functions of `program`. */
export function startMicroPython(program: string): Promise<{
  readonly python: {
    readonly FS: { writeFile(path: string, data: Uint8Array): void }
    runPython(program: string): void
  }
  call(name: string, ...args: unknown[]): unknown
}>
