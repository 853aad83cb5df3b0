import type { Image } from '@usmp/gateway/contract'
import { now } from '../state/clock.js'
import { openDialog } from '../state/dialogs.js'
import { imageName } from '../state/rollout-progress.js'
import { ago, bytes, dateTime, shown, whole } from '../text.js'
import { Action } from './action.js'

/** Images that the gateway keeps: what their publisher says of them, and whether that was checked here. */
export function ImageTable({ images }: { images: readonly Image[] }) {
  return (
    <table class="plain images">
      <caption class="sr">Images</caption>
      <thead>
        <tr>
          <th scope="col">Image</th>
          <th scope="col">Version</th>
          <th scope="col">For</th>
          <th scope="col">
            <abbr title="The security counter: a device takes no image with a lower one than it has">Counter</abbr>
          </th>
          <th scope="col">Signed by key</th>
          <th scope="col">Size</th>
          <th scope="col">Added</th>
          <th scope="col">
            <span class="sr">Acts</span>
          </th>
        </tr>
      </thead>
      <tbody>
        {images.map((image) => (
          <ImageRow key={image.id} image={image} />
        ))}
      </tbody>
    </table>
  )
}

function ImageRow({ image }: { image: Image }) {
  const { id, product, chip, version, counter, leastVersion, sha256, size, addedAt, addedBy } = image
  const name = imageName(image)
  return (
    <tr>
      <th scope="row" title={`SHA-256 ${sha256}`}>
        <bdi>{name}</bdi>
      </th>
      <td class="num" title={leastVersion === '0.0.0' ? undefined : `for devices with ${shown(leastVersion)} or newer`}>
        {shown(version)}
      </td>
      <td>
        {shown(product)} <span class="dim">on {shown(chip)}</span>
      </td>
      <td class="num">
        <span class="narrow-word">counter </span>
        {whole(counter)}
      </td>
      <td>
        <Signature image={image} />
      </td>
      <td class="num">{bytes(size)}</td>
      <td class="num dim" title={`${dateTime(addedAt)}, by ${shown(addedBy)}`}>
        {ago(addedAt, now.value)}
      </td>
      <td class="acts">
        <Action
          needs="admin"
          small
          label={`Start a roll-out of ${name}`}
          onAct={() => {
            openDialog.value = { kind: 'start-rollout', image: id }
          }}
        >
          Start…
        </Action>
        <Action
          needs="admin"
          small
          look="quiet"
          label={`Delete ${name}`}
          onAct={() => {
            openDialog.value = { kind: 'remove-image', image: id }
          }}
        >
          Delete…
        </Action>
      </td>
    </tr>
  )
}

/** Who signed it, and whether the gateway could check that. Devices check it in any case. */
export function Signature({ image: { keyId, verified } }: { image: Image }) {
  return (
    <span class="signature">
      <span class="mono" title="The first 8 bytes of the SHA-256 of the public key">
        {keyId}
      </span>{' '}
      {verified ? (
        <span class="badge online">✓ Verified</span>
      ) : (
        <span
          class="badge waiting"
          title="The gateway does not have this key. Devices check the signature in any case."
        >
          ? Not checked here
        </span>
      )}
    </span>
  )
}
