import { signal } from '@preact/signals'
import type { Image } from '@usmp/gateway/contract'

/** The images that the gateway keeps, newest first; null: not known yet. */
export const images = signal<readonly Image[] | null>(null)

/** Takes an image that was just added; the live socket tells of it as well. */
export function takeImage(image: Image): void {
  images.value = [image, ...(images.peek() ?? []).filter(({ id }) => id !== image.id)]
}
