import { StringDecoder } from 'node:string_decoder'
import { UsmpError } from '@usmp/core'

const END_OF_LINE = /[\r\n]/
const INTERRUPT = '\x03'
const END_OF_INPUT = '\x04'
const BACKSPACE = /[\b\x7f]/
/** Characters; more than anybody types. */
const MAX_LENGTH = 1024

/**
 * Asks on the terminal, and does not show what is typed. What was typed after the line stays in stdin.
 * @throws UsmpError INVALID_ARGUMENT without a terminal; ABORTED after Ctrl-C or Ctrl-D
 */
export function askHidden(question: string): Promise<string> {
  const { stdin, stderr } = process
  if (!stdin.isTTY) {
    throw new UsmpError('INVALID_ARGUMENT', `there is no terminal to ask for the ${question}`, {
      hint: 'Give --passphrase-file FILE. A passphrase on the command line could be seen by others.',
    })
  }
  const line = new HiddenLine()
  const decoder = new StringDecoder('utf8')
  return new Promise((resolve, reject) => {
    const onData = (chunk: Buffer) => {
      const text = decoder.write(chunk)
      const used = line.type(text)
      if (!line.end) return
      stdin.off('data', onData).pause().setRawMode(false)
      stderr.write('\n')
      const rest = text.slice(used)
      if (rest !== '') stdin.unshift(rest)
      if (line.end === 'line') return resolve(line.text)
      // In raw mode the terminal makes no signal of it.
      if (line.end === 'interrupt') process.kill(process.pid, 'SIGINT')
      reject(new UsmpError('ABORTED', `no ${question} was typed`))
    }
    // First of all: who sees the question may type at once, and the terminal would show it.
    stdin.setRawMode(true)
    stderr.write(`${question}: `)
    stdin.on('data', onData).resume()
  })
}

/** A line that is typed key by key. */
export class HiddenLine {
  #characters: string[] = []
  #end: 'line' | 'interrupt' | 'end' | undefined

  get end(): 'line' | 'interrupt' | 'end' | undefined {
    return this.#end
  }

  get text(): string {
    return this.#characters.join('')
  }

  /** Takes keys until the line ends; returns how many characters of the text were taken. */
  type(text: string): number {
    let used = 0
    for (const key of text) {
      used += key.length
      this.#press(key)
      if (this.#end) return used
    }
    return used
  }

  #press(key: string): void {
    if (END_OF_LINE.test(key)) this.#end = 'line'
    else if (key === INTERRUPT) this.#end = 'interrupt'
    else if (key === END_OF_INPUT) this.#end = 'end'
    else if (BACKSPACE.test(key)) this.#characters.pop()
    else if (this.#characters.length < MAX_LENGTH) this.#characters.push(key)
  }
}
