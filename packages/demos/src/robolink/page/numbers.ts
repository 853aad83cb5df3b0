/** A number with a true minus sign, so that columns of figures do not jump. */
export function fixed(value: number, digits: number): string {
  const text = Math.abs(value).toFixed(digits)
  const isZero = Number(text) === 0
  return value < 0 && !isZero ? `−${text}` : text
}

/** An age for people: 640 ms, 3.2 s, 4 min. */
export function ago(ms: number): string {
  if (ms < 1000) return `${Math.round(ms)} ms`
  if (ms < 60_000) return `${(ms / 1000).toFixed(1)} s`
  return ms < 3_600_000 ? `${Math.floor(ms / 60_000)} min` : `${Math.floor(ms / 3_600_000)} h`
}

/** The value below which `share` (0 to 1) of the numbers are; undefined if there are none. */
export function quantile(values: readonly number[], share: number): number | undefined {
  const sorted = [...values].sort((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))]
}

/** What changes by less than half a circle, in degrees from −180 to 180. */
export function degrees(radians: number): number {
  return (Math.atan2(Math.sin(radians), Math.cos(radians)) * 180) / Math.PI
}
