import { useSignalEffect } from '@preact/signals'
import type { Reading } from '@usmp/gateway/contract'
import { useEffect, useRef, useState } from 'preact/hooks'
import { api } from '../api.js'
import type { Pointed } from '../parts/chart.js'
import { FormFault } from '../parts/field.js'
import { useFreshness } from '../parts/value.js'
import { query, setQuery } from '../router.js'
import { now, serverNow } from '../state/clock.js'
import type { Row } from '../state/devices.js'
import { doubtful } from '../state/link.js'
import { append, breakOff, type Columns, columnsOf, FINE_SPAN, MINUTE_SPAN, prune } from '../state/series.js'
import { ago, clockTime, dateTime, figure, shown, valueText } from '../text.js'

/** Curves at once; the other readings stand below as figures. */
const MOST_CHARTS = 4
/** New minutes come once a minute. */
const MINUTE = 60_000

/** What the device says: curves of the first numbers, figures of everything else. */
export function DeviceLive({ row }: { row: Row }) {
  const names = row.names.value
  const week = query('range') === 'week'
  const numbers = names.filter((name) => typeof row.readings.get(name)!.peek().value === 'number')
  const charts = numbers.slice(0, MOST_CHARTS)
  const others = names.filter((name) => !charts.includes(name))
  if (names.length === 0) return <NoValues row={row} />
  return (
    <>
      <div class="row-gap spread">
        <fieldset class="segments">
          <legend class="sr">How much the curves show</legend>
          <label>
            <input type="radio" name="range" checked={!week} onChange={() => setQuery({ range: null })} />
            <span>15 minutes</span>
          </label>
          <label>
            <input type="radio" name="range" checked={week} onChange={() => setQuery({ range: 'week' })} />
            <span>7 days</span>
          </label>
        </fieldset>
        <span class="row-gap">
          <ExportLink row={row} week={week} format="csv" />
          <ExportLink row={row} week={week} format="json" />
        </span>
      </div>
      <div class={`charts of-${charts.length}`}>
        {charts.map((name) => (
          <ChartCard key={`${name} ${week}`} row={row} name={name} reading={row.readings.get(name)!} week={week} />
        ))}
      </div>
      {others.length > 0 && (
        <ul class="figures">
          {others.map((name) => (
            <FigureCard key={name} row={row} name={name} reading={row.readings.get(name)!} />
          ))}
        </ul>
      )}
    </>
  )
}

function NoValues({ row }: { row: Row }) {
  const { state } = row.device.value
  return (
    <div class="empty">
      <h2>No values yet</h2>
      {state === 'waiting' ? (
        <p>The device waits for approval. Until then nothing that it says is taken.</p>
      ) : (
        <p>
          The device sends none, or has not begun to. Values come as the notification <code>telemetry</code>, see the
          guide of the gateway.
        </p>
      )}
    </div>
  )
}

function ExportLink({ row, week, format }: { row: Row; week: boolean; format: 'csv' | 'json' }) {
  const resolution = week ? 'minute' : 'fine'
  return (
    <a class="button small" download href={`/api/devices/${row.id}/export?resolution=${resolution}&format=${format}`}>
      {format.toUpperCase()}
    </a>
  )
}

type SignalOf = ReturnType<Row['readings']['get']> & object

function ChartCard({ row, name, reading, week }: { row: Row; name: string; reading: SignalOf; week: boolean }) {
  const { columns, version, error } = useColumns(row, name, reading, week)
  const [pointed, setPointed] = useState<Pointed>(null)
  const { Chart, fault } = useChart()
  const fresh = useFreshness(row, reading)
  const { value, unit, at } = reading.value
  const span = week ? MINUTE_SPAN : FINE_SPAN
  const said = `${shown(name)}, last ${week ? '7 days' : '15 minutes'}: ${summary(columns, unit)}`
  return (
    <section class="card chart" aria-label={shown(name)}>
      <header>
        <h2>
          <bdi>{shown(name)}</bdi>
        </h2>
        <p class="pointed num dim">{pointed && told(pointed, unit, week)}</p>
        <p class={`figure num ${fresh.value}`}>
          {valueText(value)}
          {unit && <span class="unit"> {shown(unit, 16)}</span>}
          {fresh.value !== 'fresh' && <span class="age"> {ago(at, now.value)}</span>}
        </p>
      </header>
      <FormFault error={error ?? fault} />
      <div class={doubtful.value ? 'plot-host doubtful' : 'plot-host'}>
        {Chart && columns ? (
          <Chart columns={columns} version={version} span={span} label={said} onPoint={setPointed} />
        ) : (
          <div class="plot" />
        )}
        {columns && !hasValues(columns) && (
          <p class="plot-none">{week ? 'No minute is over yet.' : 'No values in the last 15 minutes.'}</p>
        )}
      </div>
    </section>
  )
}

function FigureCard({ row, name, reading }: { row: Row; name: string; reading: SignalOf }) {
  const fresh = useFreshness(row, reading)
  const { value, unit, at }: Reading = reading.value
  return (
    <li class="card">
      <p class="dim">
        <bdi>{shown(name)}</bdi>
      </p>
      <p class={`figure num ${fresh.value}`}>
        <bdi>{valueText(value)}</bdi>
        {unit && <span class="unit"> {shown(unit, 16)}</span>}
      </p>
      <p class="dim num">{ago(at, now.value)}</p>
    </li>
  )
}

type Library = typeof import('../parts/chart.js')
let library: Promise<Library> | undefined

/** The chart brings its library, which the other pages do not need; all cards load it once. */
function useChart(): { Chart: Library['Chart'] | null; fault: unknown } {
  const [state, setState] = useState<{ Chart: Library['Chart'] | null; fault: unknown }>({ Chart: null, fault: null })
  useEffect(() => {
    library ??= import('../parts/chart.js')
    library.then(
      ({ Chart }) => setState({ Chart, fault: null }),
      () => setState({ Chart: null, fault: 'The browser could not load the charts. Load the page again.' }),
    )
  }, [])
  return state
}

/**
 * The columns of a chart: what the gateway has kept, then what comes. After a lost connection they are asked for again,
 * so that what came meanwhile is there and what did not is a gap.
 */
function useColumns(row: Row, name: string, reading: SignalOf, week: boolean) {
  const columns = useRef<Columns | null>(null)
  const [version, setVersion] = useState(0)
  const [error, setError] = useState<unknown>(null)
  const changed = () => setVersion((count) => count + 1)

  useSignalEffect(() => {
    if (doubtful.value) return
    let over = false
    const load = async () => {
      try {
        const series = await api.series(row.id, name, week ? 'minute' : 'fine')
        if (over) return
        columns.current = columnsOf(series)
        setError(null)
        changed()
      } catch (failure) {
        if (!over) setError(failure)
      }
    }
    void load()
    const timer = week ? setInterval(load, MINUTE) : undefined
    return () => {
      over = true
      clearInterval(timer)
    }
  })

  useSignalEffect(() => {
    const newest = reading.value
    if (week || !columns.current || !append(columns.current, newest)) return
    prune(columns.current, serverNow() - FINE_SPAN)
    changed()
  })

  useSignalEffect(() => {
    const hasSession = row.device.value.session !== null && !doubtful.value
    if (week || hasSession || !columns.current) return
    breakOff(columns.current, serverNow())
    changed()
  })

  return { columns: columns.current, version, error }
}

function told({ at, value }: NonNullable<Pointed>, unit: string | null, week: boolean): string {
  const when = week ? dateTime(at) : clockTime(at)
  if (value === null) return `${when} no value`
  return `${when} ${figure(value)}${unit ? ` ${shown(unit, 16)}` : ''}`
}

const hasValues = ({ mean }: Columns): boolean => mean.some((value) => value !== null)

/** What a curve shows, for those who cannot see it. */
function summary(columns: Columns | null, unit: string | null): string {
  const values = columns?.mean.filter((value) => value !== null) ?? []
  if (values.length === 0) return 'no values'
  let [least, most] = [values[0]!, values[0]!]
  for (const value of values) {
    least = Math.min(least, value)
    most = Math.max(most, value)
  }
  return `from ${figure(least)} to ${figure(most)}${unit ? ` ${shown(unit, 16)}` : ''}, newest ${figure(values.at(-1)!)}`
}
