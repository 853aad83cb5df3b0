import { MIN_PASSWORD, type Role, type User } from '@usmp/gateway/contract'
import { useState } from 'preact/hooks'
import { api } from '../api.js'
import { isCode } from '../failure.js'
import { closeDialog } from '../state/dialogs.js'
import { tellDone } from '../state/notices.js'
import { me } from '../state/session.js'
import { CopyButton } from './copy-button.js'
import { Dialog } from './dialog.js'
import { Field } from './field.js'
import { Form } from './form.js'

const ROLES: readonly { readonly role: Role; readonly may: string }[] = [
  { role: 'viewer', may: 'sees everything' },
  { role: 'operator', may: 'also approves, renames, sends requests' },
  { role: 'admin', may: 'also revokes, removes, manages users' },
]

export function RoleField({ role, onRole }: { role: Role; onRole: (role: Role) => void }) {
  return (
    <fieldset class="choices">
      <legend>Role</legend>
      {ROLES.map(({ role: value, may }) => (
        <label key={value}>
          <input type="radio" name="role" checked={role === value} onChange={() => onRole(value)} />
          <b>{value}</b> <span class="dim">{may}</span>
        </label>
      ))}
    </fieldset>
  )
}

/** The name of a new user. Capitals become small letters: a person's name often begins with one. */
export function UserNameField({
  name,
  autocomplete,
  onName,
}: {
  name: string
  autocomplete: 'username' | 'off'
  onName: (name: string) => void
}) {
  return (
    <Field label="Name" hint={NAME_HINT} fault={name === '' || USER_NAME.test(name) ? null : NAME_HINT}>
      {(ids) => (
        <input
          {...ids}
          name="username"
          autocomplete={autocomplete}
          autocapitalize="none"
          maxLength={32}
          required
          value={name}
          onInput={(event) => onName(event.currentTarget.value.toLowerCase())}
        />
      )}
    </Field>
  )
}

/** As the gateway takes it. */
const USER_NAME = /^[a-z0-9][a-z0-9._-]{0,31}$/
const NAME_HINT = 'Letters a to z, digits, dots and dashes, without spaces.'

/** Why a name will not do; null: it will. */
export function nameFault(name: string): string | null {
  if (name === '') return 'Give a name first.'
  return USER_NAME.test(name) ? null : `The name takes ${NAME_HINT.toLowerCase()}`
}

export function PasswordField({
  label,
  text,
  isNew = false,
  onText,
}: {
  label: string
  text: string
  isNew?: boolean
  onText: (text: string) => void
}) {
  return (
    <Field
      label={label}
      hint={isNew ? `At least ${MIN_PASSWORD} characters. A few words are easier to keep.` : undefined}
    >
      {(ids) => (
        <input
          {...ids}
          type="password"
          autocomplete={isNew ? 'new-password' : 'current-password'}
          maxLength={256}
          value={text}
          onInput={(event) => onText(event.currentTarget.value)}
        />
      )}
    </Field>
  )
}

/** Why a new password will not do; null: it will. */
export function weakness(password: string): string | null {
  const missing = MIN_PASSWORD - password.length
  return missing > 0 ? `The password needs ${missing} more ${missing === 1 ? 'character' : 'characters'}.` : null
}

export function NewUserDialog({ onDone }: { onDone: () => void }) {
  const [name, setName] = useState('')
  const [role, setRole] = useState<Role>('operator')
  const [password, setPassword] = useState('')
  const create = async () => {
    await api.createUser({ name, role, password })
    tellDone(`${name} may log in now.`)
    closeDialog()
    onDone()
  }
  return (
    <Dialog title="New user" onClose={closeDialog}>
      <Form verb="Create" unless={nameFault(name) ?? weakness(password)} onCancel={closeDialog} onSubmit={create}>
        <UserNameField name={name} autocomplete="off" onName={setName} />
        <RoleField role={role} onRole={setRole} />
        <PasswordField label="First password" isNew text={password} onText={setPassword} />
      </Form>
    </Dialog>
  )
}

/** When somebody else has changed the user meanwhile, the dialog shows what they are now; the next try is about that. */
async function orReload(act: Promise<unknown>, reload: () => void): Promise<void> {
  try {
    await act
  } catch (error) {
    if (isCode(error, 'CONFLICT')) reload()
    throw error
  }
}

export function ChangeUserDialog({ user, onDone }: { user: User; onDone: () => void }) {
  const [role, setRole] = useState<Role>(user.role)
  const [password, setPassword] = useState('')
  const change = async () => {
    await orReload(api.changeUser(user.name, { rev: user.rev, role, ...(password === '' ? {} : { password }) }), onDone)
    tellDone(`${user.name} is changed, and has to log in again.`)
    closeDialog()
    onDone()
  }
  return (
    <Dialog title={`Change ${user.name}`} onClose={closeDialog}>
      <Form
        verb="Change"
        unless={password === '' ? (role === user.role ? 'Nothing is changed yet.' : null) : weakness(password)}
        onCancel={closeDialog}
        onSubmit={change}
      >
        <RoleField role={role} onRole={setRole} />
        <PasswordField label="New password, if it is to change" isNew text={password} onText={setPassword} />
      </Form>
    </Dialog>
  )
}

export function RemoveUserDialog({ user: { name, rev }, onDone }: { user: User; onDone: () => void }) {
  const remove = async () => {
    await orReload(api.removeUser(name, rev), onDone)
    tellDone(`${name} is removed.`)
    closeDialog()
    onDone()
  }
  return (
    <Dialog title={`Remove ${name}?`} onClose={closeDialog}>
      <Form verb="Remove" look="danger" onCancel={closeDialog} onSubmit={remove}>
        <p>All logins of {name} end at once.</p>
      </Form>
    </Dialog>
  )
}

export function OwnPasswordDialog() {
  const [password, setPassword] = useState('')
  const [newPassword, setNewPassword] = useState('')
  const change = async () => {
    me.value = await api.changeOwnPassword({ password, newPassword })
    tellDone('Your password is changed.')
    closeDialog()
  }
  return (
    <Dialog title="Change your password" onClose={closeDialog}>
      <Form
        needs="viewer"
        verb="Change"
        unless={password === '' ? 'Give your password of today first.' : weakness(newPassword)}
        onCancel={closeDialog}
        onSubmit={change}
      >
        <PasswordField label="Password of today" text={password} onText={setPassword} />
        <PasswordField label="New password" isNew text={newPassword} onText={setNewPassword} />
      </Form>
    </Dialog>
  )
}

export function NewTokenDialog({ onDone }: { onDone: () => void }) {
  const [name, setName] = useState('')
  const [role, setRole] = useState<Role>('viewer')
  const [days, setDays] = useState('90')
  const [token, setToken] = useState<string | null>(null)
  const daysFault = /^\d{1,3}$/.test(days) && Number(days) >= 1 && Number(days) <= 365 ? null : 'From 1 to 365 days.'
  const create = async () => {
    const created = await api.createToken({ name: name.trim(), role, days: Number(days) })
    setToken(created.token)
    onDone()
  }
  if (token !== null)
    return (
      <Dialog title="Copy the token now" onClose={closeDialog}>
        <div class="form">
          <p>The gateway keeps only its hash. It cannot be shown again.</p>
          <div class="with-buttons">
            <output class="mono secret-shown">{token}</output>
            <CopyButton text={token} what="the token" />
          </div>
          <div class="buttons">
            <button type="button" class="button primary" onClick={closeDialog}>
              Done
            </button>
          </div>
        </div>
      </Dialog>
    )
  return (
    <Dialog title="New token for a script" onClose={closeDialog}>
      <Form
        verb="Create"
        unless={name.trim() === '' ? 'Give a name first.' : daysFault}
        onCancel={closeDialog}
        onSubmit={create}
      >
        <Field label="What it is for">
          {(ids) => (
            <input {...ids} maxLength={64} value={name} onInput={(event) => setName(event.currentTarget.value)} />
          )}
        </Field>
        <RoleField role={role} onRole={setRole} />
        <Field label="Valid for days" fault={daysFault}>
          {(ids) => (
            <input
              {...ids}
              inputMode="numeric"
              maxLength={3}
              value={days}
              onInput={(event) => setDays(event.currentTarget.value)}
            />
          )}
        </Field>
      </Form>
    </Dialog>
  )
}
