import { useEffect, useState } from 'preact/hooks'
import { api } from '../api.js'
import { Field, FormFault } from '../parts/field.js'
import { Mark } from '../parts/frame.js'
import { me } from '../state/session.js'
import { shown } from '../text.js'

/** Asks who it is. The address stays, so that whoever logs in sees the page they wanted. */
export function LoginPage() {
  const [name, setName] = useState('')
  const [password, setPassword] = useState('')
  const [error, setError] = useState<unknown>(null)
  const [busy, setBusy] = useState(false)

  useEffect(() => {
    document.title = 'Log in · USMP gateway'
  }, [])

  const logIn = async (event: Event) => {
    event.preventDefault()
    if (busy) return
    setBusy(true)
    setError(null)
    try {
      me.value = await api.login({ name: name.trim(), password })
    } catch (failure) {
      setError(failure)
      setPassword('')
    } finally {
      setBusy(false)
    }
  }

  return (
    <main class="entrance">
      <form class="form card" onSubmit={logIn}>
        <div class="entrance-head">
          <Mark />
          <div>
            <h1>Log in</h1>
            <p class="dim">to the gateway of {shown(me.value?.site ?? '', 32)}</p>
          </div>
        </div>
        <Field label="Name">
          {(ids) => (
            <input
              {...ids}
              name="username"
              autocomplete="username"
              autocapitalize="none"
              required
              value={name}
              onInput={(event) => setName(event.currentTarget.value)}
            />
          )}
        </Field>
        <Field label="Password">
          {(ids) => (
            <input
              {...ids}
              name="password"
              type="password"
              autocomplete="current-password"
              required
              value={password}
              onInput={(event) => setPassword(event.currentTarget.value)}
            />
          )}
        </Field>
        <FormFault error={error} />
        <button type="submit" class="button primary big" aria-busy={busy}>
          {busy ? 'Checking' : 'Log in'}
        </button>
      </form>
    </main>
  )
}
