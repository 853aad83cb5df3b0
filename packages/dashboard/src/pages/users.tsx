import type { ApiToken, User } from '@usmp/gateway/contract'
import { api } from '../api.js'
import { Action } from '../parts/action.js'
import { type Loaded, Show, useLoaded } from '../parts/load.js'
import { Page } from '../parts/page.js'
import { ChangeUserDialog, NewTokenDialog, NewUserDialog, RemoveUserDialog } from '../parts/user-dialogs.js'
import { now } from '../state/clock.js'
import { type OpenDialog, openDialog } from '../state/dialogs.js'
import { tellDone } from '../state/notices.js'
import { forbidden, me } from '../state/session.js'
import { ago, dateTime, shown } from '../text.js'

/** People who log in, and tokens of scripts. */
export function UsersPage() {
  const why = forbidden('admin')
  return <Page title="Users">{why === null ? <Lists /> : <p class="nothing">{why}</p>}</Page>
}

const open = (dialog: OpenDialog) => () => {
  openDialog.value = dialog
}

function Lists() {
  const users = useLoaded(async () => (await api.users()).users, [])
  const tokens = useLoaded(async () => (await api.tokens()).tokens, [])
  return (
    <>
      <section aria-labelledby="people">
        <header class="section-head">
          <h2 id="people">People</h2>
          <Action needs="admin" onAct={open({ kind: 'new-user' })}>
            New user…
          </Action>
        </header>
        <Show of={users} what="users" lines={3}>
          {(list) => <People list={list} loaded={users} />}
        </Show>
      </section>
      <section aria-labelledby="tokens">
        <header class="section-head">
          <h2 id="tokens">Tokens for scripts</h2>
          <Action needs="admin" onAct={open({ kind: 'new-token' })}>
            New token…
          </Action>
        </header>
        <Show of={tokens} what="tokens" lines={3}>
          {(list) => <Tokens list={list} loaded={tokens} />}
        </Show>
      </section>
      <UserDialogs users={users} tokens={tokens} />
    </>
  )
}

function People({ list, loaded }: { list: readonly User[]; loaded: Loaded<User[]> }) {
  // Each login changes the revision of a user, so the newest is asked for first.
  const openNewest = (dialog: OpenDialog) => async () => {
    await loaded.reload()
    openDialog.value = dialog
  }
  return (
    <table class="plain">
      <thead>
        <tr>
          <th scope="col">Name</th>
          <th scope="col">Role</th>
          <th scope="col">Last log-in</th>
          <th scope="col">
            <span class="sr">Acts</span>
          </th>
        </tr>
      </thead>
      <tbody>
        {list.map(({ name, role, lastLoginAt }) => (
          <tr key={name}>
            <th scope="row">
              {name} {name === me.value?.user?.name && <span class="tag">you</span>}
            </th>
            <td>{role}</td>
            <td class="num dim">{lastLoginAt === null ? 'never' : ago(lastLoginAt, now.value)}</td>
            <td class="acts">
              <Action
                needs="admin"
                small
                look="quiet"
                label={`Change ${name}`}
                onAct={openNewest({ kind: 'change-user', name })}
              >
                Change…
              </Action>
              <Action
                needs="admin"
                small
                look="quiet"
                label={`Remove ${name}`}
                onAct={openNewest({ kind: 'remove-user', name })}
              >
                Remove…
              </Action>
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  )
}

function Tokens({ list, loaded }: { list: readonly ApiToken[]; loaded: Loaded<ApiToken[]> }) {
  if (list.length === 0)
    return <p class="nothing">None. A token lets a script use the API as a viewer, an operator or an admin.</p>
  const remove = async ({ id, name }: ApiToken) => {
    await api.removeToken(id)
    tellDone(`The token ${shown(name)} is void.`)
    await loaded.reload()
  }
  return (
    <table class="plain">
      <thead>
        <tr>
          <th scope="col">Name</th>
          <th scope="col">Role</th>
          <th scope="col">Last used</th>
          <th scope="col">Valid until</th>
          <th scope="col">Made by</th>
          <th scope="col">
            <span class="sr">Acts</span>
          </th>
        </tr>
      </thead>
      <tbody>
        {list.map((token) => (
          <tr key={token.id}>
            <th scope="row">
              <bdi>{shown(token.name)}</bdi>
            </th>
            <td>{token.role}</td>
            <td class="num dim">{token.lastUsedAt === null ? 'never' : ago(token.lastUsedAt, now.value)}</td>
            <td class="num">
              {token.expiresAt < now.value ? <span class="badge failed">✕ Expired</span> : dateTime(token.expiresAt)}
            </td>
            <td class="dim">{shown(token.createdBy, 32)}</td>
            <td class="acts">
              <Action
                needs="admin"
                small
                look="quiet"
                label={`Revoke ${shown(token.name)}`}
                onAct={() => remove(token)}
              >
                Revoke
              </Action>
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  )
}

function UserDialogs({ users, tokens }: { users: Loaded<User[]>; tokens: Loaded<ApiToken[]> }) {
  const dialog = openDialog.value
  const reload = () => void users.reload()
  if (dialog?.kind === 'new-user') return <NewUserDialog onDone={reload} />
  if (dialog?.kind === 'new-token') return <NewTokenDialog onDone={() => void tokens.reload()} />
  if (dialog?.kind !== 'change-user' && dialog?.kind !== 'remove-user') return null
  const user = users.data?.find(({ name }) => name === dialog.name)
  if (!user) return null
  return dialog.kind === 'change-user' ? (
    <ChangeUserDialog user={user} onDone={reload} />
  ) : (
    <RemoveUserDialog user={user} onDone={reload} />
  )
}
