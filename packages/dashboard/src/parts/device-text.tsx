import { shown } from '../text.js'

/** Text of a device or a person: it cannot turn the direction of what stands around it, nor hide, nor grow. */
export function DeviceText({ text, most = 64 }: { text: string; most?: number }) {
  return <bdi>{shown(text, most)}</bdi>
}

/** An id in groups of two bytes: easier to compare with a label. Copied, it is the plain id. */
export function DeviceId({ id }: { id: string }) {
  const digits = id.replaceAll(':', '')
  return (
    <span class="mono id" title={id}>
      <span class="sr">{id}</span>
      <span aria-hidden="true">{digits.match(/.{4}/g)?.join(' ') ?? id}</span>
    </span>
  )
}
