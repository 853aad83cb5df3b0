import { Page } from '../parts/page.js'

export function MissingPage() {
  return (
    <Page title="There is no such page">
      <p>
        The address leads nowhere. <a href="/">See the devices</a> instead.
      </p>
    </Page>
  )
}
