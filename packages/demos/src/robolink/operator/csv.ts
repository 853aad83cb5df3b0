import { createWriteStream, type WriteStream } from 'node:fs'
import { UsmpError } from '@usmp/core'
import type { Watched } from '../contract.js'

const COLUMNS = [
  ...['n', 't', 'x', 'y', 'theta', 'v', 'w', 'left', 'right', 'battery', 'temperature', 'state', 'age'],
] as const satisfies readonly (keyof Watched)[]

/** Telemetry as lines of a CSV file: when it was seen, whose it is, what it says. A file that is there is written again. */
export class CsvLog {
  readonly #file: WriteStream

  private constructor(file: WriteStream) {
    this.#file = file
    // Told by `open` or `close`.
    file.on('error', () => {})
    file.write(`seen,robot,${COLUMNS.join(',')}\n`)
  }

  /** @throws UsmpError INVALID_ARGUMENT if the file cannot be written */
  static async open(path: string): Promise<CsvLog> {
    const file = createWriteStream(path)
    await new Promise((resolve, reject) => file.once('open', resolve).once('error', reject)).catch((cause: Error) => {
      throw new UsmpError('INVALID_ARGUMENT', `cannot write ${path}: ${cause.message}`, { cause })
    })
    return new CsvLog(file)
  }

  /** None of the fields can contain a comma or a quote. */
  add(robot: string, telemetry: Watched): void {
    const values = COLUMNS.map((column) => telemetry[column])
    this.#file.write(`${new Date().toISOString()},${robot},${values.join(',')}\n`)
  }

  /** Resolves when everything is in the file. @throws the system's error if writing failed */
  async close(): Promise<void> {
    if (this.#file.errored) throw this.#file.errored
    await new Promise((resolve, reject) => this.#file.once('error', reject).end(resolve as () => void))
  }
}
