import { useState } from 'preact/hooks'
import { tellFailure } from '../state/notices.js'
import { Icon } from './icon.js'

/** Copies a text. Without https a browser forbids that; the text then can still be selected. */
export function CopyButton({ text, what }: { text: string; what: string }) {
  const [copied, setCopied] = useState(false)
  if (!navigator.clipboard) return null
  const copy = async () => {
    try {
      await navigator.clipboard.writeText(text)
      setCopied(true)
      setTimeout(() => setCopied(false), 1_500)
    } catch {
      tellFailure(new Error('The browser did not allow the page to copy. Select the text and copy it yourself.'))
    }
  }
  return (
    <button
      type="button"
      class="button icon-only quiet small"
      onClick={copy}
      aria-label={copied ? `${what} copied` : `Copy ${what}`}
      title={copied ? 'Copied' : 'Copy'}
    >
      <Icon name={copied ? 'check' : 'copy'} />
    </button>
  )
}
