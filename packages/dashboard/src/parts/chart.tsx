import { useEffect, useLayoutEffect, useRef } from 'preact/hooks'
import uPlot from 'uplot'
import { serverNow } from '../state/clock.js'
import type { Columns } from '../state/series.js'
import { clockTime } from '../text.js'

const FONT = '11px system-ui, "Segoe UI", "DejaVu Sans", sans-serif'
/** Charts below each other show the same moment under the pointer. */
const SYNC = 'device'

const token = (name: string): string => getComputedStyle(document.documentElement).getPropertyValue(name).trim()

/** What is under the pointer. */
export type Pointed = { readonly at: number; readonly value: number | null } | null

/**
 * A curve whose right edge is now, so that what has stopped moves away to the left. A gap stays a gap.
 * `version` grows when the columns have changed in place.
 */
export function Chart({
  columns,
  version,
  span,
  label,
  onPoint,
}: {
  columns: Columns
  version: number
  /** ms that are shown. */
  span: number
  label: string
  onPoint: (pointed: Pointed) => void
}) {
  const host = useRef<HTMLDivElement>(null)
  const plot = useRef<uPlot>(null)
  const banded = columns.min !== undefined

  useLayoutEffect(() => {
    const element = host.current!
    const made = new uPlot(optionsFor(element, span, banded, onPoint), [[]], element)
    plot.current = made
    const resized = new ResizeObserver(() => made.setSize(sizeOf(element)))
    resized.observe(element)
    const scheme = matchMedia('(prefers-color-scheme: dark)')
    const redraw = () => made.redraw(false, true)
    scheme.addEventListener('change', redraw)
    return () => {
      resized.disconnect()
      scheme.removeEventListener('change', redraw)
      made.destroy()
    }
  }, [span, banded])

  useEffect(() => {
    const draw = () => plot.current?.setData(tableOf(columns))
    draw()
    // Time goes on also when nothing comes.
    const timer = setInterval(draw, 1_000)
    return () => clearInterval(timer)
  }, [columns, version, span, banded])

  return <div ref={host} class="plot" role="img" aria-label={label} />
}

function tableOf({ at, mean, min, max }: Columns): uPlot.AlignedData {
  return min && max ? [at, mean, min, max] : [at, mean]
}

function sizeOf(element: HTMLElement) {
  return { width: Math.max(element.clientWidth, 120), height: Math.max(element.clientHeight, 80) }
}

function optionsFor(
  element: HTMLElement,
  span: number,
  banded: boolean,
  onPoint: (pointed: Pointed) => void,
): uPlot.Options {
  const axis = (): Pick<uPlot.Axis, 'stroke' | 'grid' | 'ticks' | 'font'> => ({
    stroke: () => token('--dim'),
    grid: { stroke: () => token('--grid'), width: 1 },
    ticks: { show: false },
    font: FONT,
  })
  const bound: uPlot.Series = { stroke: () => 'transparent', width: 0, points: { show: false } }
  return {
    ...sizeOf(element),
    legend: { show: false },
    padding: [8, 18, 0, 0],
    cursor: { y: false, drag: { x: false, y: false }, sync: { key: SYNC }, points: { size: 7 } },
    scales: {
      x: { range: (self) => shownTime(self.data[0][0], span) },
      y: { range: (_, low, high) => roomAround(low ?? 0, high ?? 1) },
    },
    axes: [
      { ...axis(), size: 24, gap: 4, space: 64, values: (_, ticks) => ticks.map(timeFor(ticks)) },
      { ...axis(), size: 46, gap: 6, space: 30, values: (_, ticks) => ticks.map(decimalsFor(ticks)) },
    ],
    series: [
      {},
      {
        stroke: () => token('--accent'),
        width: 1.75,
        spanGaps: false,
        points: { show: false, size: 5, fill: () => token('--accent'), filter: lonePoints },
        ...(banded ? {} : { fill: () => `color-mix(in srgb, ${token('--accent')} 10%, transparent)` }),
      },
      ...(banded ? [{ ...bound }, { ...bound }] : []),
    ],
    ...(banded
      ? {
          bands: [
            {
              series: [3, 2] as [number, number],
              fill: () => `color-mix(in srgb, ${token('--accent')} 18%, transparent)`,
            },
          ],
        }
      : {}),
    hooks: {
      setCursor: [
        (self) => {
          const { idx } = self.cursor
          const at = idx === null || idx === undefined ? undefined : self.data[0][idx]
          onPoint(at === undefined ? null : { at: at * 1_000, value: self.data[1]?.[idx!] ?? null })
        },
      ],
    },
  }
}

/** Values between two gaps, which no line leads to: they are drawn as points. Null: there are none. */
function lonePoints(self: uPlot, series: number): number[] | null {
  const values = self.data[series]!
  const isGap = (index: number) => values[index] === null || values[index] === undefined
  const lone = [...values.keys()].filter((index) => !isGap(index) && isGap(index - 1) && isGap(index + 1))
  return lone.length > 0 ? lone : null
}

/** Shortest time that a chart shows, s: a new device has a curve at once. */
const SHORTEST = 60

/** From the oldest value on, but no more than the span, until now; s. */
function shownTime(oldest: number | undefined, span: number): [number, number] {
  const now = serverNow() / 1_000
  return [Math.max(now - span / 1_000, Math.min(oldest ?? now, now - SHORTEST)), now]
}

/** Writes ticks with as many decimals as tell two of them apart. */
function decimalsFor(ticks: readonly number[]): (tick: number) => string {
  const step = Math.abs((ticks[1] ?? 1) - (ticks[0] ?? 0))
  const decimals = [0, 1, 2, 3, 4, 5].find((count) => isWhole(step * 10 ** count)) ?? 6
  const format = new Intl.NumberFormat('en', { minimumFractionDigits: decimals, maximumFractionDigits: decimals })
  return (tick) => format.format(tick)
}

const isWhole = (value: number) => Math.abs(value - Math.round(value)) < 1e-6

/** A little room above and below, and some also for what never changes. */
function roomAround(low: number, high: number): [number, number] {
  const room = high > low ? (high - low) * 0.12 : Math.max(Math.abs(high) * 0.05, 0.5)
  return [low - room, high + room]
}

const HOUR_MINUTE = new Intl.DateTimeFormat('en-GB', { hour: '2-digit', minute: '2-digit' })
const DAY_MONTH = new Intl.DateTimeFormat('en-GB', { day: 'numeric', month: 'short' })
/** s */
const DAY = 24 * 60 * 60

/** Writes ticks of time so that two of them are told apart. */
function timeFor(ticks: readonly number[]): (seconds: number) => string {
  const step = (ticks[1] ?? 0) - (ticks[0] ?? 0)
  if (step >= DAY) return (seconds) => DAY_MONTH.format(seconds * 1_000)
  return (seconds) => (step < 60 ? clockTime(seconds * 1_000) : HOUR_MINUTE.format(seconds * 1_000))
}
