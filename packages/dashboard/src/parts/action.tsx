import type { Role } from '@usmp/gateway/contract'
import type { ComponentChildren } from 'preact'
import { useId, useState } from 'preact/hooks'
import { isCode } from '../failure.js'
import { connected } from '../state/link.js'
import { tellFailure } from '../state/notices.js'
import { forbidden } from '../state/session.js'

export interface ActionProps {
  /** What the user must be for it. */
  readonly needs?: Role
  /** Why it cannot be done now, whatever the user may. */
  readonly unless?: string | null
  readonly look?: 'primary' | 'danger' | 'quiet' | 'icon' | 'plain'
  readonly small?: boolean
  readonly label?: string
  readonly submit?: boolean
  readonly onAct: () => unknown
  readonly children: ComponentChildren
}

/** Why nothing can be done now: by the link, by the role, or by what the caller says. */
export function whyNot(needs: Role, unless: string | null = null): string | null {
  return connected.value ? (forbidden(needs) ?? unless) : 'There is no connection to the gateway now.'
}

/**
 * A button that does something at the gateway. When it cannot, it stays where it is and says why, to the mouse, the
 * keyboard and the screen reader alike. It does nothing twice at once, and a failure is always shown.
 */
export function Action(props: ActionProps) {
  const { needs = 'operator', unless = null, look = 'plain', small = false, label, submit, onAct, children } = props
  const [busy, setBusy] = useState(false)
  const tip = useId()
  const why = whyNot(needs, unless)

  const act = async () => {
    if (why !== null || busy) return
    setBusy(true)
    try {
      await onAct()
    } catch (error) {
      if (!isCode(error, 'CANCELLED')) tellFailure(error)
    } finally {
      setBusy(false)
    }
  }

  return (
    <span class="action">
      <button
        type={submit && why === null ? 'submit' : 'button'}
        class={`button ${look === 'icon' ? 'icon-only quiet' : look}${small ? ' small' : ''}`}
        aria-disabled={why !== null ? 'true' : undefined}
        aria-busy={busy ? 'true' : undefined}
        aria-label={label}
        title={look === 'icon' ? label : undefined}
        aria-describedby={why !== null ? tip : undefined}
        onClick={submit ? undefined : act}
      >
        {children}
      </button>
      {why !== null && (
        <span class="tip" role="tooltip" id={tip}>
          {why}
        </span>
      )}
    </span>
  )
}
