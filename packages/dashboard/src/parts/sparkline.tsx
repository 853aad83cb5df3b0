/** A small curve without axes, of the newest at the right. What it says in numbers stands beside it. */
export function Sparkline({
  values,
  width = 84,
  height = 20,
}: {
  values: readonly number[]
  width?: number
  height?: number
}) {
  if (values.length < 2) return null
  const most = Math.max(...values)
  const least = Math.min(...values)
  const range = most - least || 1
  const step = (width - 2) / (values.length - 1)
  const points = values.map(
    (value, index) =>
      `${(1 + index * step).toFixed(1)},${(height - 2 - ((value - least) / range) * (height - 4)).toFixed(1)}`,
  )
  return (
    <svg class="spark" viewBox={`0 0 ${width} ${height}`} width={width} height={height} aria-hidden="true">
      <polyline
        points={points.join(' ')}
        fill="none"
        stroke="currentColor"
        stroke-width="1.3"
        stroke-linejoin="round"
      />
    </svg>
  )
}
