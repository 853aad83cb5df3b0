import { useSignalEffect } from '@preact/signals'
import { useEffect, useState } from 'preact/hooks'
import { api } from './api.js'
import { AuditPage } from './pages/audit.js'
import { DevicePage } from './pages/device.js'
import { DevicesPage } from './pages/devices.js'
import { LoginPage } from './pages/login.js'
import { MissingPage } from './pages/missing.js'
import { RolloutPage } from './pages/rollout.js'
import { SetupPage } from './pages/setup.js'
import { SystemPage } from './pages/system.js'
import { UpdatesPage } from './pages/updates.js'
import { UsersPage } from './pages/users.js'
import { AddDialog } from './parts/add-dialog.js'
import { ApproveDialog } from './parts/approve-dialog.js'
import { ApproveProvenDialog } from './parts/approve-proven-dialog.js'
import { DangerDialog } from './parts/danger-dialogs.js'
import { FormFault } from './parts/field.js'
import { Frame } from './parts/frame.js'
import { Notices } from './parts/notices.js'
import { Skeleton } from './parts/page.js'
import { AbortDialog, RemoveImageDialog } from './parts/rollout-dialogs.js'
import { StartDialog } from './parts/start-dialog.js'
import { StepUpDialog } from './parts/step-up-dialog.js'
import { OwnPasswordDialog } from './parts/user-dialogs.js'
import { path } from './router.js'
import { forgetDevices } from './state/devices.js'
import { closeDialog, openDialog } from './state/dialogs.js'
import { images } from './state/images.js'
import { startLive, stopLive } from './state/live-socket.js'
import { forgetRollouts } from './state/rollouts.js'
import { me } from './state/session.js'
import { stepUpAsked } from './state/step-up.js'

/** The whole page: who nobody knows logs in, at whatever address; everybody else sees what the address says. */
export function App() {
  const name = me.value?.user?.name ?? null
  useEffect(() => {
    if (name === null) return
    startLive()
    return () => {
      stopLive()
      closeDialog()
      stepUpAsked.value?.(false)
      forgetDevices()
      forgetRollouts()
      images.value = null
    }
  }, [name])

  return (
    <>
      {me.value === null ? (
        <Entrance />
      ) : me.value.setupNeeded ? (
        <SetupPage />
      ) : name === null ? (
        <LoginPage />
      ) : (
        <Inside />
      )}
      <Notices />
    </>
  )
}

/** Before the gateway has said who looks at the page. */
function Entrance() {
  const [error, setError] = useState<unknown>(null)
  const ask = () => {
    setError(null)
    api.me().then((known) => {
      me.value = known
    }, setError)
  }
  useEffect(ask, [])
  return (
    <main class="entrance">
      {error === null ? (
        <Skeleton what="the page" lines={3} />
      ) : (
        <>
          <FormFault error={error} />
          <button type="button" class="button primary" onClick={ask}>
            Try again
          </button>
        </>
      )}
    </main>
  )
}

function Inside() {
  return (
    <>
      <Frame>
        <Place />
      </Frame>
      <OneDialog />
      <StepUpDialog />
    </>
  )
}

function Place() {
  const at = path.value
  const device = /^\/d\/((?:[0-9a-f]{2}){6})(?:\/(\w+))?$/.exec(at)
  if (device) return <DevicePage key={device[1]} id={device[1]!.match(/../g)!.join(':')} tab={device[2] ?? 'live'} />
  if (at === '/' || at === '/setup') return <DevicesPage />
  if (at === '/updates') return <UpdatesPage />
  const rollout = /^\/updates\/([\w-]{1,32})$/.exec(at)?.[1]
  if (rollout) return <RolloutPage key={rollout} id={rollout} />
  if (at === '/audit') return <AuditPage />
  if (at === '/system') return <SystemPage />
  if (at === '/users') return <UsersPage />
  return <MissingPage />
}

/** Dialogs that belong to a device or to everything; those of users belong to their page. */
function OneDialog() {
  const dialog = openDialog.value
  useSignalEffect(() => {
    // Whoever goes to another page leaves the dialog.
    path.value
    return closeDialog
  })
  switch (dialog?.kind) {
    case 'approve':
      return <ApproveDialog key={dialog.id} id={dialog.id} />
    case 'approve-proven':
      return <ApproveProvenDialog />
    case 'add':
      return <AddDialog />
    case 'revoke':
    case 'remove':
    case 'block':
    case 'replace':
      return <DangerDialog kind={dialog.kind} id={dialog.id} />
    case 'start-rollout':
      return <StartDialog image={dialog.image} />
    case 'remove-image':
      return <RemoveImageDialog id={dialog.image} />
    case 'abort-rollout':
      return <AbortDialog id={dialog.id} />
    case 'own-password':
      return <OwnPasswordDialog />
    default:
      return null
  }
}
