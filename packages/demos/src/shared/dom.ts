/** The element of index.html with this id. A page whose parts do not fit together must not start. */
export function byId<T extends HTMLElement = HTMLElement>(id: string): T {
  const found = document.getElementById(id)
  if (!found) throw new Error(`index.html has no #${id}`)
  return found as T
}

/** Shows a text, or hides the element if there is none. */
export function say(element: HTMLElement, text: string | undefined): void {
  element.hidden = text === undefined
  if (element.textContent !== (text ?? '')) element.textContent = text ?? ''
}

/** Whether keys belong to a field that takes text. */
export function takesText(target: EventTarget | null): boolean {
  if (target instanceof HTMLInputElement) return !['checkbox', 'radio', 'button', 'submit'].includes(target.type)
  return target instanceof HTMLTextAreaElement || target instanceof HTMLSelectElement
}

/** A colour of style.css by its custom property, as it is in the scheme of the moment. */
export function colour(name: string): string {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim()
}
