import type { ComponentChildren } from 'preact'
import { useId, useLayoutEffect, useRef } from 'preact/hooks'
import { Icon } from './icon.js'

/**
 * A dialog above the page. The browser keeps the focus in it and closes it by Escape; afterwards the focus is where it was,
 * or, if that is gone, at the heading of the page.
 */
export function Dialog({
  title,
  onClose,
  wide = false,
  children,
}: {
  title: ComponentChildren
  onClose: () => void
  wide?: boolean
  children: ComponentChildren
}) {
  const host = useRef<HTMLDialogElement>(null)
  const heading = useId()

  useLayoutEffect(() => {
    const before = document.activeElement
    host.current?.showModal()
    const dialog = host.current
    return () => {
      dialog?.close()
      if (before instanceof HTMLElement && before.isConnected && before !== document.body) before.focus()
      else document.querySelector('h1')?.focus()
    }
  }, [])

  return (
    <dialog
      ref={host}
      class={wide ? 'dialog wide' : 'dialog'}
      aria-labelledby={heading}
      onCancel={(event) => {
        event.preventDefault()
        onClose()
      }}
    >
      <header>
        <h2 id={heading}>{title}</h2>
        <button type="button" class="button icon-only quiet" onClick={onClose} aria-label="Close">
          <Icon name="close" />
        </button>
      </header>
      {children}
    </dialog>
  )
}
