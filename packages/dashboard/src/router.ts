import { computed, signal } from '@preact/signals'

const read = () => new URL(window.location.href)

/** Where the page is. Filters and tabs are part of it, so that a link shows the same again. */
export const url = signal(read())
export const path = computed(() => url.value.pathname)

export function navigate(to: string, { replace = false } = {}): void {
  window.history[replace ? 'replaceState' : 'pushState'](null, '', to)
  url.value = read()
  if (!replace) window.scrollTo(0, 0)
}

/** Sets or removes parts of the query, in place. */
export function setQuery(changes: Readonly<Record<string, string | null>>): void {
  const next = read()
  for (const [name, value] of Object.entries(changes)) {
    if (value === null || value === '') next.searchParams.delete(name)
    else next.searchParams.set(name, value)
  }
  navigate(next.pathname + next.search, { replace: true })
}

export const query = (name: string): string | null => url.value.searchParams.get(name)

export const deviceAddress = (id: string): string => `/d/${id.replaceAll(':', '')}`

export const rolloutAddress = (id: string): string => `/updates/${encodeURIComponent(id)}`

/** Links of the page itself change the page in place. */
export function startRouter(): void {
  window.addEventListener('popstate', () => {
    url.value = read()
  })
  document.addEventListener('click', (event) => {
    if (
      event.defaultPrevented ||
      event.button !== 0 ||
      event.metaKey ||
      event.ctrlKey ||
      event.shiftKey ||
      event.altKey
    )
      return
    const link = (event.target as Element).closest('a')
    if (!link || !isInPage(link)) return
    event.preventDefault()
    navigate(link.pathname + link.search)
  })
}

/** Not a file to be saved, nor a place of another server. */
function isInPage({ target, origin, pathname, download }: HTMLAnchorElement): boolean {
  return target === '' && download === '' && origin === window.location.origin && !pathname.startsWith('/api/')
}
