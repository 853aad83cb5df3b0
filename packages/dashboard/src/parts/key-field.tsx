import { useId, useState } from 'preact/hooks'
import { type KeyText, readKey } from '../key.js'
import { tellFailure } from '../state/notices.js'
import { Icon } from './icon.js'
import { Scanner } from './scanner.js'

/** What is to be said below the field. */
export interface KeyVerdict {
  readonly kind: 'good' | 'bad' | 'note'
  readonly text: string
}

/** Takes a key: typed, pasted, or read from the picture on a device. It is hidden as long as nobody asks to see it. */
export function KeyField({
  text,
  onText,
  verdict,
}: {
  text: string
  onText: (text: string, key: KeyText) => void
  verdict: KeyVerdict | null
}) {
  const [visible, setVisible] = useState(false)
  const [scanning, setScanning] = useState(false)
  const id = useId()
  const take = (next: string) => onText(next, readKey(next))

  const paste = async () => {
    try {
      take(await navigator.clipboard.readText())
    } catch {
      tellFailure(new Error('The browser did not allow the page to read the clipboard. Paste with the keyboard.'))
    }
  }

  return (
    <div class="field">
      <label for={id}>Key of the device</label>
      <div class="with-buttons">
        <input
          {...(visible ? { type: 'text' as const } : { type: 'password' as const })}
          id={id}
          class="mono"
          value={text}
          autocomplete="off"
          spellcheck={false}
          maxLength={200}
          placeholder="64 hex digits, or usmp:…"
          aria-describedby={`${id}-verdict`}
          aria-invalid={verdict?.kind === 'bad' ? 'true' : undefined}
          onInput={(event) => take(event.currentTarget.value)}
        />
        <button
          type="button"
          class="button icon-only"
          aria-label="Show the key"
          aria-pressed={visible}
          title="Show the key"
          onClick={() => setVisible(!visible)}
        >
          <Icon name="eye" />
        </button>
        {navigator.clipboard && (
          <button type="button" class="button" onClick={paste}>
            Paste
          </button>
        )}
        <button type="button" class="button" aria-expanded={scanning} onClick={() => setScanning(!scanning)}>
          <Icon name="scan" /> Scan
        </button>
      </div>
      <p id={`${id}-verdict`} class={`note ${verdict?.kind ?? ''}`} role="status">
        {verdict?.text ??
          'It was printed when it was made, by usmp keygen psk, perhaps also as a picture on the device.'}
      </p>
      {scanning && (
        <Scanner
          onText={(found) => {
            setScanning(false)
            take(found)
          }}
        />
      )}
    </div>
  )
}
