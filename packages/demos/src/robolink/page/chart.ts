import uPlot from 'uplot'
import { colour } from '../../shared/dom.ts'
import { fixed } from './numbers.ts'

/** One line of a chart. */
export interface Line {
  /** The custom property of style.css with its colour. */
  readonly colour: string
  /** Lines of one scale share an axis; the first scale's axis is at the left, the second's at the right. */
  readonly scale: string
  readonly digits: number
  readonly fill?: boolean
}

/** Lowest and highest value that an axis shows, from those that the lines have. */
export type Range = (low: number, high: number) => [number, number]

const FONT = '11px system-ui, "DejaVu Sans", sans-serif'

/** A chart whose right edge is now. */
export class TimeChart {
  readonly #plot: uPlot

  /**
   * @param host the element that it fills
   * @param span seconds that it shows when there are values for so long
   * @param ranges for each scale
   */
  constructor(host: HTMLElement, span: number, lines: readonly Line[], ranges: Record<string, Range>) {
    const axis = (): Pick<uPlot.Axis, 'stroke' | 'grid' | 'ticks' | 'font'> => ({
      stroke: () => colour('--dim'),
      grid: { stroke: () => colour('--grid'), width: 1 },
      ticks: { show: false },
      font: FONT,
    })
    this.#plot = new uPlot(
      {
        width: Math.max(host.clientWidth, 100),
        height: Math.max(host.clientHeight, 60),
        legend: { show: false },
        cursor: { show: false },
        padding: [6, Object.keys(ranges).length > 1 ? 0 : 18, 0, 0],
        scales: {
          x: { time: false, range: (_: uPlot, oldest: number | null) => [-shownSpan(-(oldest ?? 0), span), 0] },
          ...Object.fromEntries(
            Object.entries(ranges).map(([name, range]) => [
              name,
              { range: (_: uPlot, low: number | null, high: number | null) => range(low ?? 0, high ?? 0) },
            ]),
          ),
        },
        axes: [
          {
            ...axis(),
            size: 22,
            gap: 3,
            space: 40,
            incrs: [2, 5, 10, 20, 30, 60, 120, 300],
            values: (_, ticks) => ticks.map((seconds) => before(seconds)),
          },
          ...Object.keys(ranges).map((scale, index) => ({
            ...axis(),
            scale,
            side: (index === 0 ? 3 : 1) as uPlot.Axis.Side,
            size: 40,
            gap: 4,
            space: 26,
            ...(index > 0 ? { grid: { show: false } } : {}),
            stroke: () => colour(lines.find((line) => line.scale === scale)?.colour ?? '--dim'),
            values: (_: uPlot, ticks: number[]) => {
              const digits = lines.find((line) => line.scale === scale)?.digits ?? 0
              return ticks.map((tick) => fixed(tick, digits))
            },
          })),
        ],
        series: [
          {},
          ...lines.map((line) => ({
            scale: line.scale,
            stroke: () => colour(line.colour),
            width: 1.75,
            points: { show: false },
            ...(line.fill ? { fill: () => `color-mix(in srgb, ${colour(line.colour)} 16%, transparent)` } : {}),
          })),
        ],
      },
      [[], ...lines.map(() => [])],
      host,
    )
    new ResizeObserver(() => {
      this.#plot.setSize({ width: Math.max(host.clientWidth, 100), height: Math.max(host.clientHeight, 60) })
    }).observe(host)
  }

  draw(table: uPlot.AlignedData): void {
    this.#plot.setData(table)
  }
}

/** So many seconds are shown: a chart of the last ten minutes is not to be empty for the first nine. */
const SPANS = [10, 20, 30, 60, 120, 300]

/** @param age of the oldest value, s; @param most what the chart shows in the end, s */
export function shownSpan(age: number, most: number): number {
  return SPANS.find((span) => span >= age && span < most) ?? most
}

function before(seconds: number): string {
  if (seconds === 0) return 'now'
  return seconds % 60 === 0 ? `${fixed(seconds / 60, 0)} min` : `${fixed(seconds, 0)} s`
}
