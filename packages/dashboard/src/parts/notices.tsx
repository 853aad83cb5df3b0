import { announcement } from '../state/announcer.js'
import { dismissNotice, notices } from '../state/notices.js'
import { Icon } from './icon.js'

/** What has just been done, or has failed; and what a screen reader is told of the devices. */
export function Notices() {
  const failed = notices.value.filter(({ kind }) => kind === 'failed')
  const done = notices.value.filter(({ kind }) => kind === 'done')
  return (
    <>
      <p class="sr" role="status">
        {announcement.value}
      </p>
      <div class="notices">
        <div role="alert">
          {failed.map(({ id, text, hint }) => (
            <p key={id} class="notice failed">
              <span>
                <strong>{text}</strong> {hint}
              </span>
              <button
                type="button"
                class="button icon-only quiet small"
                aria-label="Dismiss this message"
                onClick={() => dismissNotice(id)}
              >
                <Icon name="close" />
              </button>
            </p>
          ))}
        </div>
        <div role="status">
          {done.map(({ id, text }) => (
            <p key={id} class="notice done">
              <Icon name="check" />
              <span>{text}</span>
            </p>
          ))}
        </div>
      </div>
    </>
  )
}
