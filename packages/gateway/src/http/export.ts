import { stringify } from 'csv-stringify/sync'
import type { InferOutput } from 'valibot'
import type { exportQuery, Series } from '../contract/telemetry.js'
import { GatewayError } from '../errors.js'
import type { Operations } from '../operations.js'
import type { AuditLog } from '../store/store.js'

/** Entries of the audit log that are written at once. */
const CHUNK = 500

/** One reading of a device, or all that are numbers, as a file. */
export async function exportSeries(
  operations: Operations,
  id: string,
  { format, reading, ...options }: InferOutput<typeof exportQuery>,
): Promise<Response> {
  const numeric = Object.entries(operations.device(id).readings).filter(([, { value }]) => typeof value === 'number')
  const names = reading === undefined ? numeric.map(([name]) => name) : [reading]
  if (names.length === 0) throw new GatewayError('NOT_FOUND', 'This device has no readings that are numbers.')
  const file = `${id.replaceAll(':', '')}.${format}`
  const all = (async function* () {
    for (const name of names) yield await operations.series(id, name, defined(options))
  })()
  return format === 'csv'
    ? download(file, 'text/csv; charset=utf-8', csvOfSeries(all))
    : download(file, 'application/json', jsonOfSeries(all))
}

/** The whole audit log as a file. */
export function exportAudit(audit: AuditLog, format: 'csv' | 'jsonl'): Response {
  return format === 'csv'
    ? download('audit.csv', 'text/csv; charset=utf-8', csvOfAudit(audit))
    : download('audit.jsonl', 'application/jsonl', linesOfAudit(audit))
}

/** Without the properties that are undefined, which a query has for all that it leaves out. */
export function defined<T extends object>(all: T): { [K in keyof T]: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(all).filter(([, value]) => value !== undefined)) as never
}

async function* csvOfSeries(all: AsyncIterable<Series>) {
  yield csv([['time', 'reading', 'unit', 'mean', 'min', 'max']])
  for await (const { reading, unit, at, mean, min, max } of all)
    yield csv(at.map((time, i) => [new Date(time).toISOString(), reading, unit, mean[i], min?.[i], max?.[i]]))
}

async function* jsonOfSeries(all: AsyncIterable<Series>) {
  let before = '{"series":['
  for await (const series of all) {
    yield before + JSON.stringify(series)
    before = ','
  }
  yield ']}'
}

async function* csvOfAudit(audit: AuditLog) {
  const columns = ['seq', 'at', 'actor', 'role', 'action', 'object', 'before', 'after', 'result', 'detail', 'hash']
  yield csv([columns])
  let rows: unknown[][] = []
  for await (const { at, ...entry } of audit.entries()) {
    const row = { ...entry, at: new Date(at).toISOString() } as Record<string, unknown>
    rows.push(columns.map((column) => row[column]))
    if (rows.length < CHUNK) continue
    yield csv(rows)
    rows = []
  }
  yield csv(rows)
}

async function* linesOfAudit(audit: AuditLog) {
  let lines = ''
  for await (const entry of audit.entries()) {
    lines += `${JSON.stringify(entry)}\n`
    if (lines.length < CHUNK * 200) continue
    yield lines
    lines = ''
  }
  yield lines
}

/** Texts of devices and people may look like formulas: spreadsheets must not run them. */
const csv = (rows: unknown[][]) => stringify(rows, { escape_formulas: true })

function download(name: string, type: string, parts: AsyncGenerator<string>): Response {
  const encoder = new TextEncoder()
  const body = new ReadableStream<Uint8Array>({
    async pull(controller) {
      const { done, value } = await parts.next()
      if (done) controller.close()
      else controller.enqueue(encoder.encode(value))
    },
    async cancel() {
      await parts.return(undefined)
    },
  })
  return new Response(body, {
    headers: { 'content-type': type, 'content-disposition': `attachment; filename="${name}"` },
  })
}
