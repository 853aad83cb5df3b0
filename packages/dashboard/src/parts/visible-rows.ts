import type { RefObject } from 'preact'
import { useLayoutEffect, useState } from 'preact/hooks'

/** Up to so many rows are simply there, where the search of the browser finds them. */
const FEW = 200
/** Rows that are drawn beyond each edge of the window, so that scrolling finds them ready. */
const BEYOND = 12

/** The part of a long list that is drawn, with the height of what is not, pixels. */
export interface VisibleRows {
  readonly first: number
  readonly last: number
  readonly above: number
  readonly below: number
}

/**
 * Which of `count` rows of one height can be seen while the window scrolls past `host`. That all rows have one height makes it
 * a division; a library for lists of any heights was a sixth of all scripts of the page.
 */
export function useVisibleRows(count: number, height: number, host: RefObject<HTMLElement | null>): VisibleRows {
  const [seen, setSeen] = useState({ first: 0, last: FEW - 1 })

  useLayoutEffect(() => {
    if (count <= FEW) return
    const look = () => {
      const top = host.current?.getBoundingClientRect().top ?? 0
      const first = Math.max(0, Math.floor(-top / height) - BEYOND)
      const last = Math.ceil((window.innerHeight - top) / height) + BEYOND
      // Drawn anew only when half of what is ready has been used up.
      setSeen((before) =>
        Math.abs(before.first - first) + Math.abs(before.last - last) < BEYOND ? before : { first, last },
      )
    }
    look()
    window.addEventListener('scroll', look, { passive: true })
    window.addEventListener('resize', look)
    return () => {
      window.removeEventListener('scroll', look)
      window.removeEventListener('resize', look)
    }
  }, [count, height])

  if (count <= FEW) return { first: 0, last: count - 1, above: 0, below: 0 }
  const first = Math.min(seen.first, count - 1)
  const last = Math.min(seen.last, count - 1)
  return { first, last, above: first * height, below: (count - 1 - last) * height }
}
