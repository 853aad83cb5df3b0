import type { SeenFrame } from '@usmp/testing'
import type { Sample } from './adaboost.js'

/** A frame as a relay sees it, and the truth about it if it is to be guessed. */
export interface LabelledFrame extends SeenFrame {
  readonly label?: boolean | undefined
}

/** Frames before and behind that are counted, in mean gaps. */
const NEAR = [0.1, 1, 5]
/** In place of a gap where there is no frame, in mean gaps. */
const FAR = 50

/** What a relay can know of each labelled frame: its size, the gaps around it, how many frames are near, of either end. */
export function samplesOfFrames(frames: readonly LabelledFrame[], meanGap: number): Sample[] {
  const times = ([0, 1] as const).map((side) => frames.filter(({ from }) => from === side))
  const samples: Sample[] = []
  const position = [0, 0]
  for (const { from, at, size, label } of frames) {
    const own = times[from]!
    const other = times[1 - from]!
    const here = position[from]!++
    const there = position[1 - from]!
    if (label === undefined) continue
    const gap = (to: LabelledFrame | undefined) => (to ? Math.abs(to.at - at) / meanGap : FAR)
    const near = (list: readonly LabelledFrame[], start: number, reach: number) => {
      let count = 0
      for (let i = start - 1; i >= 0 && gap(list[i]) <= reach; i--) count++
      for (let i = start; i < list.length && gap(list[i]) <= reach; i++) count++
      return count
    }
    samples.push({
      label,
      features: [
        size,
        gap(own[here - 1]),
        gap(own[here + 1]),
        gap(other[there - 1]),
        gap(other[there]),
        other[there - 1]?.size ?? 0,
        other[there]?.size ?? 0,
        ...NEAR.map((reach) => near(own, here, reach)),
        ...NEAR.map((reach) => near(other, there, reach)),
        from,
      ],
    })
  }
  return samples
}

/** What a relay can know of a whole session about one of its ends: how much, how evenly, and how the two ends go together. */
export function featuresOfSession(frames: readonly SeenFrame[], side: 0 | 1, meanGap: number): number[] {
  const features: number[] = []
  const sides = [side, (1 - side) as 0 | 1].map((which) => frames.filter(({ from }) => from === which))
  for (const own of sides) {
    const gaps = gapsOf(own.map(({ at }) => at)).map((gap) => gap / meanGap)
    const mean = average(gaps)
    const later = gaps.slice(1)
    features.push(
      own.length,
      average(own.map(({ size }) => size)),
      mean,
      average(gaps.map((gap) => (gap - mean) ** 2)),
      average(later.map((gap, at) => (gap - mean) * (gaps[at]! - mean))),
      Math.min(FAR, ...gaps),
      Math.max(0, ...gaps),
      gaps.filter((gap) => gap < NEAR[0]!).length,
    )
  }
  // How soon the one end follows the other.
  const [own, other] = sides as [SeenFrame[], SeenFrame[]]
  for (const [from, to] of [
    [own, other],
    [other, own],
  ] as const) {
    const waits = from.map(({ at }) => (to.find((frame) => frame.at > at)?.at ?? at + FAR * meanGap) - at)
    features.push(average(waits) / meanGap, Math.min(FAR, ...waits) / meanGap)
  }
  return features
}

export function gapsOf(times: readonly number[]): number[] {
  return times.slice(1).map((time, at) => time - times[at]!)
}

function average(values: readonly number[]): number {
  return values.length === 0 ? 0 : values.reduce((sum, value) => sum + value, 0) / values.length
}
