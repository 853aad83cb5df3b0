import { useState } from 'preact/hooks'
import { api } from '../api.js'
import { me } from '../state/session.js'
import { stepUpAsked } from '../state/step-up.js'
import { Dialog } from './dialog.js'
import { Field } from './field.js'
import { Form } from './form.js'

/** Asks for the password again before something dangerous. */
export function StepUpDialog() {
  const answer = stepUpAsked.value
  return answer ? <Ask answer={answer} /> : null
}

function Ask({ answer }: { answer: (given: boolean) => void }) {
  const [password, setPassword] = useState('')
  const confirm = async () => {
    await api.stepUp({ password })
    answer(true)
  }
  return (
    <Dialog title="Your password again" onClose={() => answer(false)}>
      <Form
        needs="viewer"
        verb="Confirm"
        unless={password === '' ? 'Give your password first.' : null}
        onSubmit={confirm}
        onCancel={() => answer(false)}
      >
        <p class="dim">For this act the gateway wants your password again. After that it does not ask for 5 minutes.</p>
        <Field label={`Password of ${me.value?.user?.name ?? 'you'}`}>
          {(ids) => (
            <input
              {...ids}
              type="password"
              autocomplete="current-password"
              value={password}
              onInput={(event) => setPassword(event.currentTarget.value)}
            />
          )}
        </Field>
      </Form>
    </Dialog>
  )
}
