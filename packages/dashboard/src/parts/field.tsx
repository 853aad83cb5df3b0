import type { ComponentChildren, JSX } from 'preact'
import { useId } from 'preact/hooks'

/** A label, what it labels, and what is to be said about it. */
export function Field({
  label,
  hint,
  fault,
  children,
}: {
  label: string
  hint?: ComponentChildren
  fault?: string | null
  children: (ids: { id: string; 'aria-describedby'?: string; 'aria-invalid'?: 'true' }) => JSX.Element
}) {
  const id = useId()
  const note = `${id}-note`
  const described = hint || fault ? { 'aria-describedby': note } : {}
  return (
    <div class="field">
      <label for={id}>{label}</label>
      {children({ id, ...described, ...(fault ? { 'aria-invalid': 'true' as const } : {}) })}
      {(hint || fault) && (
        <p id={note} class={fault ? 'note bad' : 'note'}>
          {fault ?? hint}
        </p>
      )}
    </div>
  )
}

/** What went wrong with a form, where the eye is. */
export function FormFault({ error }: { error: unknown }) {
  if (error === null || error === undefined) return null
  const hint = error instanceof Error && 'hint' in error ? (error.hint as string | null) : null
  return (
    <p class="fault" role="alert">
      <strong>{error instanceof Error ? error.message : String(error)}</strong>
      {hint && <span> {hint}</span>}
    </p>
  )
}
