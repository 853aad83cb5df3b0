import { type Image, MAX_BUNDLE, MAX_IMAGE } from '@usmp/gateway/contract'
import { useRef, useState } from 'preact/hooks'
import { api } from '../api.js'
import { Failure, isCode } from '../failure.js'
import { takeImage } from '../state/images.js'
import { tellDone } from '../state/notices.js'
import { imageName } from '../state/rollout-progress.js'
import { bytes, shown } from '../text.js'
import { whyNot } from './action.js'
import { FormFault } from './field.js'
import { Icon } from './icon.js'

/** What a bundle begins with. */
const MAGIC = 'UOTA'

/** Takes bundles that are dropped on it, or chosen: one after the other, to the gateway. */
export function ImageDrop() {
  const [busy, setBusy] = useState<string | null>(null)
  const [over, setOver] = useState(false)
  const [error, setError] = useState<unknown>(null)
  const input = useRef<HTMLInputElement>(null)
  const why = whyNot('admin')

  const add = async (files: readonly File[]) => {
    if (why !== null || busy !== null || files.length === 0) return
    setError(null)
    try {
      for (const file of files) {
        setBusy(`Sending ${shown(file.name, 48)}, ${bytes(file.size)}`)
        const image = await addImage(file)
        tellDone(`${imageName(image)} is here.`)
        takeImage(image)
      }
    } catch (failure) {
      if (!isCode(failure, 'CANCELLED')) setError(failure)
    } finally {
      setBusy(null)
      // The same file may be chosen again.
      if (input.current) input.current.value = ''
    }
  }
  const drop = (event: DragEvent) => {
    event.preventDefault()
    setOver(false)
    void add([...(event.dataTransfer?.files ?? [])])
  }

  return (
    <div class="stack">
      <label
        class={`drop${over ? ' over' : ''}${why !== null ? ' off' : ''}`}
        onDragOver={(event) => {
          event.preventDefault()
          setOver(why === null)
        }}
        onDragLeave={() => setOver(false)}
        onDrop={drop}
      >
        <Icon name="updates" />
        <span aria-live="polite">
          {busy ?? (
            <>
              <b>Add an image:</b> drop a bundle here, or choose one.{' '}
              {why === null ? (
                <span class="dim">
                  A bundle is a .uota file that <code>usmp ota sign</code> has written.
                </span>
              ) : (
                <span class="dim">{why}</span>
              )}
            </>
          )}
        </span>
        <input
          ref={input}
          type="file"
          class="sr"
          accept=".uota"
          multiple
          disabled={why !== null || busy !== null}
          onChange={(event) => void add([...(event.currentTarget.files ?? [])])}
        />
      </label>
      <FormFault error={error} />
    </div>
  )
}

/** @throws Failure if the file is no bundle, or the gateway does not take it */
async function addImage(file: File): Promise<Image> {
  const name = shown(file.name, 48)
  if (file.size > MAX_BUNDLE)
    throw new Failure('TOO_LARGE', `${name} is too large.`, `The gateway takes images of up to ${bytes(MAX_IMAGE)}.`)
  let head: string
  try {
    head = await file.slice(0, MAGIC.length).text()
  } catch {
    throw new Failure('INVALID', `The browser cannot read ${name}.`, 'Drop one file, not a folder, and drop it again.')
  }
  if (head !== MAGIC)
    throw new Failure(
      'INVALID',
      `${name} is no bundle.`,
      'A bundle holds the signed manifest and the image. `usmp ota sign` writes it.',
    )
  return api.addImage(file)
}
