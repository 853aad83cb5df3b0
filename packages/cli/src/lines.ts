import { MAX_MESSAGE, UsmpError } from '@usmp/core'

const NEWLINE = 0x0a

/** One line of input, without its newline. */
export interface Line {
  /** From 1. */
  readonly number: number
  /** The bytes of the line; undefined if there are more than a message takes. */
  readonly bytes: Uint8Array | undefined
  /** Bytes of the line. */
  readonly length: number
}

/**
 * The lines of a stream of bytes. An unfinished last line counts. Holds no more than one message; a longer line is
 * measured and let go of.
 */
export async function* readLines(source: AsyncIterable<Uint8Array>): AsyncGenerator<Line, void, undefined> {
  let number = 0
  let length = 0
  let parts: Uint8Array[] = []

  function append(part: Uint8Array): void {
    length += part.length
    if (length <= MAX_MESSAGE) parts.push(part)
    else parts = []
  }
  function finish(): Line {
    const line = { number: ++number, length, bytes: length <= MAX_MESSAGE ? Buffer.concat(parts) : undefined }
    length = 0
    parts = []
    return line
  }

  for await (const chunk of source) {
    let start = 0
    for (let end = chunk.indexOf(NEWLINE); end >= 0; end = chunk.indexOf(NEWLINE, start)) {
      append(chunk.subarray(start, end))
      yield finish()
      start = end + 1
    }
    append(chunk.subarray(start))
  }
  if (length > 0) yield finish()
}

/** Why a line was not sent. */
export function tooLong(line: Line, source: string): UsmpError {
  return new UsmpError(
    'MESSAGE_TOO_LARGE',
    `line ${line.number} of ${source} has ${line.length} bytes; it was not sent`,
    {
      hint: `A line is a message of at most ${MAX_MESSAGE} bytes: cut it into several. All other lines are sent.`,
    },
  )
}
