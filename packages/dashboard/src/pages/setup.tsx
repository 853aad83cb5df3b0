import { useEffect, useState } from 'preact/hooks'
import { api } from '../api.js'
import { FormFault } from '../parts/field.js'
import { Mark } from '../parts/frame.js'
import { nameFault, PasswordField, UserNameField, weakness } from '../parts/user-dialogs.js'
import { navigate } from '../router.js'
import { me } from '../state/session.js'
import { setupToken } from '../state/setup-token.js'
import { shown } from '../text.js'

/** Makes the first user, with the token of the link that the gateway has printed. */
export function SetupPage() {
  const [name, setName] = useState('admin')
  const [password, setPassword] = useState('')
  const [error, setError] = useState<unknown>(null)
  const [busy, setBusy] = useState(false)
  const token = setupToken.value

  useEffect(() => {
    document.title = 'Set up · USMP gateway'
  }, [])

  const setUp = async (event: Event) => {
    event.preventDefault()
    if (busy || token === null) return
    const weak = nameFault(name) ?? weakness(password)
    if (weak !== null) return setError(weak)
    setBusy(true)
    setError(null)
    try {
      me.value = await api.setup({ token, name, password })
      setupToken.value = null
      navigate('/', { replace: true })
    } catch (failure) {
      setError(failure)
    } finally {
      setBusy(false)
    }
  }

  return (
    <main class="entrance">
      <form class="form card" onSubmit={setUp}>
        <div class="entrance-head">
          <Mark />
          <div>
            <h1>Set up {shown(me.value?.site ?? '', 32)}</h1>
            <p class="dim">This gateway has no user yet. Make the first, an admin.</p>
          </div>
        </div>
        {token === null ? (
          <>
            <p>Open the setup link that the gateway printed when it started. It works once, for 15 minutes.</p>
            <p class="dim">
              Too late? <code>usmp gateway setup</code> prints a new one.
            </p>
          </>
        ) : (
          <>
            <UserNameField name={name} autocomplete="username" onName={setName} />
            <PasswordField label="Password" isNew text={password} onText={setPassword} />
            <FormFault error={error} />
            <button type="submit" class="button primary big" aria-busy={busy}>
              {busy ? 'Setting up' : 'Set up'}
            </button>
          </>
        )}
      </form>
    </main>
  )
}
