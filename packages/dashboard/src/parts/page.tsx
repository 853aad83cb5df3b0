import type { ComponentChildren } from 'preact'
import { useEffect, useRef } from 'preact/hooks'

/** Whether any page was shown before: the first one leaves the focus where the browser has put it. */
let moved = false

/** A page with its heading, which takes the focus when the page is shown: a screen reader says where it is. */
export function Page({
  title,
  heading,
  aside,
  children,
}: {
  /** For the tab of the browser. */
  title: string
  heading?: ComponentChildren
  aside?: ComponentChildren
  children: ComponentChildren
}) {
  const host = useRef<HTMLHeadingElement>(null)
  useEffect(() => {
    if (moved) host.current?.focus()
    moved = true
  }, [])
  useEffect(() => {
    document.title = `${title} · USMP gateway`
  }, [title])
  return (
    <div class="page">
      <div class="page-head">
        <h1 ref={host} tabIndex={-1}>
          {heading ?? title}
        </h1>
        {aside}
      </div>
      {children}
    </div>
  )
}

/** Room for lines that are on their way, so that nothing jumps when they come. */
export function Skeleton({ lines = 6, what }: { lines?: number; what: string }) {
  return (
    <div class="skeleton" role="status">
      <span class="sr">Loading {what}</span>
      {Array.from({ length: lines }, (_, line) => (
        <span key={line} class="bone" />
      ))}
    </div>
  )
}
