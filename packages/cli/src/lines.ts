import { MAX_MESSAGE, UsmpError } from '@usmp/core'

const NEWLINE = 0x0a
const CARRIAGE_RETURN = 0x0d
const BOM = Buffer.from('\uFEFF')
/** Bytes of a line that are kept: a message, with what is cut off it. */
const MAX_LINE = BOM.length + MAX_MESSAGE + 1

/** One line of input, without its line end. */
export interface TextLine {
  /** From 1. */
  readonly number: number
  /** The bytes of the line; undefined if there are more than a message takes. */
  readonly bytes: Uint8Array | undefined
  /** Bytes of the line. */
  readonly length: number
}

/**
 * The lines of a stream of bytes, which end with LF or, as on Windows, CR LF. A BOM before the first one is not a part of it.
 * An unfinished last line counts. Holds no more than one message; a longer line is measured and let go of.
 */
export async function* readLines(source: AsyncIterable<Uint8Array>): AsyncGenerator<TextLine, void, undefined> {
  let number = 0
  let length = 0
  let parts: Uint8Array[] = []

  function append(part: Uint8Array): void {
    length += part.length
    if (length <= MAX_LINE) parts.push(part)
    else parts = []
  }
  function finish(): TextLine {
    const bytes = length <= MAX_LINE ? textOfLine(Buffer.concat(parts), number === 0) : undefined
    const line = lineOf(++number, bytes, bytes?.length ?? length)
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

/** A line without the CR at its end, and without a BOM if it is the first. */
function textOfLine(line: Buffer, first: boolean): Buffer {
  const start = first && line.subarray(0, BOM.length).equals(BOM) ? BOM.length : 0
  return line.subarray(start, line.at(-1) === CARRIAGE_RETURN ? -1 : undefined)
}

function lineOf(number: number, bytes: Buffer | undefined, length: number): TextLine {
  return { number, length, bytes: length <= MAX_MESSAGE ? bytes : undefined }
}

/** Why a line was not sent. */
export function tooLong(line: TextLine, source: string): UsmpError {
  return new UsmpError(
    'MESSAGE_TOO_LARGE',
    `line ${line.number} of ${source} has ${line.length} bytes; it was not sent`,
    {
      hint: `A line is a message of at most ${MAX_MESSAGE} bytes: cut it into several. All other lines are sent.`,
    },
  )
}
