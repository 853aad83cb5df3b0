import { readFileSync, writeFileSync } from 'node:fs'

/** Puts a text between `<!-- NAME: begin -->` and `<!-- NAME: end -->` of a file. Throws where it has no such place. */
export function writeBetweenMarks(file: string, name: string, text: string): void {
  const [begin, end] = [`<!-- ${name}: begin -->`, `<!-- ${name}: end -->`]
  const document = readFileSync(file, 'utf8')
  const [from, to] = [document.indexOf(begin), document.indexOf(end)]
  if (from < 0 || to < from) throw new Error(`${file} has no place marked ${begin} … ${end}`)
  writeFileSync(file, `${document.slice(0, from + begin.length)}\n\n${text.trim()}\n\n${document.slice(to)}`)
}

/** A table in Markdown; the first column to the left, figures to the right. */
export function table(header: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) => `| ${cells.join(' | ')} |`
  const ruler = header.map((_, column) => (column === 0 ? '---' : '--:'))
  return [line(header), line(ruler), ...rows.map(line)].join('\n')
}
