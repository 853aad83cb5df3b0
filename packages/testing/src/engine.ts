/** Something in a page that can be used. */
export interface Handle {
  click(): Promise<void>
  type(text: string): Promise<void>
}

/** A browser as far as the tests of all engines need it. */
export interface Engine {
  goto(address: string): Promise<void>
  /** The first visible element that fits, and has this text in it or in its name; null: there is none now. */
  find(selector: string, text: string): Promise<Handle | null>
}

/** In the page: what {@link Engine.find} looks for. */
export function findInPage(selector: string, text: string): Element | null {
  const fits = (element: Element) => `${element.textContent} ${element.getAttribute('aria-label') ?? ''}`.includes(text)
  return [...document.querySelectorAll(selector)].find((element) => element.checkVisibility() && fits(element)) ?? null
}
