import { api } from '../api.js'
import { openDialog } from '../state/dialogs.js'
import { tellFailure } from '../state/notices.js'
import { loggedOut, me } from '../state/session.js'

/** Who is logged in, and how to leave. */
export function UserMenu() {
  const user = me.value?.user
  if (!user) return null
  const leave = async (call: () => Promise<void>) => {
    try {
      await call()
      loggedOut()
    } catch (error) {
      tellFailure(error)
    }
  }
  return (
    <>
      <button type="button" class="avatar" popovertarget="user-menu" aria-label={`${user.name}, ${user.role}: account`}>
        {user.name.slice(0, 1).toUpperCase()}
      </button>
      <div id="user-menu" popover="auto" class="popover menu">
        <p>
          <b>{user.name}</b> <span class="dim">{user.role}</span>
        </p>
        <button
          type="button"
          popovertarget="user-menu"
          popovertargetaction="hide"
          onClick={() => {
            openDialog.value = { kind: 'own-password' }
          }}
        >
          Change password
        </button>
        <button type="button" onClick={() => leave(api.logout)}>
          Log out
        </button>
        <button type="button" onClick={() => leave(api.logoutEverywhere)}>
          Log out everywhere
        </button>
      </div>
    </>
  )
}
