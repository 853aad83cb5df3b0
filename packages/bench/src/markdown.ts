import type { Row } from './interleave.js'
import type { Report, Table } from './report.js'

/** The run as Markdown, which is the table on the terminal too. */
export function renderReport(report: Report): string {
  const { cpu, cores, os, node, openssl } = report.machine
  const head = [
    `Run of ${report.date.slice(0, 10)}: \`${report.command}\`, ${cpu}, ${cores} cores, ${os}, Node ${node}, OpenSSL ${openssl}.`,
  ]
  const notes = report.notes.map((note) => `Left out: ${note}`)
  return `${[...head, ...report.tables.map(renderTable), ...notes].join('\n\n')}\n`
}

/** One table with its heading. */
export function renderTable({ title, about, unit, rows }: Table): string {
  const rates = unit === 'µs'
  const shares = rows.some(({ share }) => share !== undefined)
  const exact = rows.every(({ min, max }) => min === max)
  const header = exact ? ['', unit] : ['', `min ${unit}`, `median ${unit}`, `max ${unit}`]
  if (rates) header.push('per second')
  if (shares) header.push('share of', 'is', 'target')
  const limits = new Set(rows.map(({ limit }) => limit))
  const body = rows.map((row) => {
    const name = limits.has(row.name) ? `*${row.name}*` : row.name
    const cells = [name, ...(exact ? [row.median] : [row.min, row.median, row.max]).map(figure)]
    if (rates) cells.push(figure(1e6 / row.median))
    return shares ? [...cells, ...shareCells(row)] : cells
  })
  return `### ${title}\n\n${about}\n\n${align([header, ...body])}`
}

function shareCells({ limit = '', share, target }: Row): string[] {
  return [limit, percent(share), percent(target)]
}

function percent(part: number | undefined): string {
  return part === undefined ? '' : `${Math.round(part * 100)} %`
}

/** Three digits that count, and no more than two decimals. */
function figure(value: number): string {
  if (value >= 100 || Number.isInteger(value)) return Math.round(value).toLocaleString('en')
  return value.toFixed(value >= 10 ? 1 : 2)
}

function align(lines: readonly string[][]): string {
  const widths = lines[0]!.map((_, column) => Math.max(3, ...lines.map((cells) => cells[column]!.length)))
  const isText = (column: number) => column === 0 || lines[0]![column] === 'share of'
  const pad = (cell: string, column: number) =>
    isText(column) ? cell.padEnd(widths[column]!) : cell.padStart(widths[column]!)
  const rule = widths.map((width, column) => (isText(column) ? '-'.repeat(width) : `${'-'.repeat(width - 1)}:`))
  const [header, ...body] = lines.map((cells) => `| ${cells.map(pad).join(' | ')} |`)
  return [header, `| ${rule.join(' | ')} |`, ...body].join('\n')
}

const BEGIN = '<!-- begin of the run, written by `pnpm bench --document` -->'
const END = '<!-- end of the run -->'

/**
 * Replaces what stands between the markers of a document.
 * @throws Error if the document has no markers
 */
export function insertRun(document: string, run: string): string {
  const begin = document.indexOf(BEGIN)
  const end = document.indexOf(END)
  if (begin < 0 || end < begin) throw new Error(`the document needs the lines\n${BEGIN}\n${END}`)
  return `${document.slice(0, begin + BEGIN.length)}\n\n${run}\n${document.slice(end)}`
}
