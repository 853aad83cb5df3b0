import { Action } from '../parts/action.js'
import { CopyButton } from '../parts/copy-button.js'
import { ImageDrop } from '../parts/image-drop.js'
import { ImageTable } from '../parts/image-table.js'
import { Page, Skeleton } from '../parts/page.js'
import { RolloutTable } from '../parts/rollout-table.js'
import { openDialog } from '../state/dialogs.js'
import { images } from '../state/images.js'
import { rollouts } from '../state/rollouts.js'

/** Signed firmware for devices: the images that are here, and how they are rolled out. */
export function UpdatesPage() {
  const list = rollouts.value
  const isEmpty = list?.length === 0 && images.value?.length === 0
  return (
    <Page title="Updates" aside={<StartButton />}>
      {isEmpty ? (
        <FirstSteps />
      ) : (
        <section aria-labelledby="rollouts">
          <header class="section-head">
            <h2 id="rollouts">Roll-outs</h2>
          </header>
          {list === null ? (
            <Skeleton what="roll-outs" lines={3} />
          ) : list.length === 0 ? (
            <p class="nothing">None yet. Choose an image below, and start one.</p>
          ) : (
            <RolloutTable rollouts={list} />
          )}
        </section>
      )}
      <section aria-labelledby="images">
        <header class="section-head">
          <h2 id="images">Images</h2>
        </header>
        {images.value === null ? (
          <Skeleton what="images" lines={3} />
        ) : (
          <>
            {images.value.length > 0 && <ImageTable images={images.value} />}
            <ImageDrop />
          </>
        )}
      </section>
    </Page>
  )
}

function StartButton() {
  return (
    <Action
      needs="admin"
      look="primary"
      unless={images.value?.length ? null : 'Add an image first.'}
      onAct={() => {
        openDialog.value = { kind: 'start-rollout', image: null }
      }}
    >
      Start a roll-out…
    </Action>
  )
}

const KEYGEN = 'npx usmp ota keygen --help'
const SIGN = 'npx usmp ota sign --help'

function FirstSteps() {
  return (
    <div class="empty">
      <h2>No update yet</h2>
      <ol>
        <li>
          Make a publisher's key, and build its public half into the firmware: <code>{KEYGEN}</code>{' '}
          <CopyButton text={KEYGEN} what="the command" />
        </li>
        <li>
          Sign the new firmware with it: <code>{SIGN}</code> <CopyButton text={SIGN} what="the command" /> That writes a
          bundle, a .uota file.
        </li>
        <li>Add the bundle below, and start a roll-out: one device first, then more and more.</li>
      </ol>
    </div>
  )
}
