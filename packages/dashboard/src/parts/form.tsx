import type { Role } from '@usmp/gateway/contract'
import type { ComponentChildren } from 'preact'
import { useState } from 'preact/hooks'
import { isCode } from '../failure.js'
import { Action, whyNot } from './action.js'
import { FormFault } from './field.js'

/** A form that says at its foot why it failed, and does not send twice. */
export function Form({
  needs = 'admin',
  verb,
  look = 'primary',
  unless = null,
  onCancel,
  onSubmit,
  children,
}: {
  needs?: Role
  verb: string
  look?: 'primary' | 'danger'
  unless?: string | null
  onCancel?: () => void
  onSubmit: () => Promise<unknown>
  children?: ComponentChildren
}) {
  const [error, setError] = useState<unknown>(null)
  const [busy, setBusy] = useState(false)

  const submit = async (event: Event) => {
    event.preventDefault()
    if (busy || whyNot(needs, unless) !== null) return
    setBusy(true)
    setError(null)
    try {
      await onSubmit()
    } catch (failure) {
      if (!isCode(failure, 'CANCELLED')) setError(failure)
    } finally {
      setBusy(false)
    }
  }

  return (
    <form class="form" onSubmit={submit} autocomplete="off" noValidate>
      {children}
      <FormFault error={error} />
      <div class="buttons">
        {onCancel && (
          <button type="button" class="button quiet" onClick={onCancel}>
            Cancel
          </button>
        )}
        <Action submit needs={needs} look={look} unless={unless} onAct={() => undefined}>
          {verb}
        </Action>
      </div>
    </form>
  )
}
