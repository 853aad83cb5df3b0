import { useComputed } from '@preact/signals'
import { Action } from '../parts/action.js'
import { CopyButton } from '../parts/copy-button.js'
import { DeviceTable, orderNow } from '../parts/device-table.js'
import { Icon } from '../parts/icon.js'
import { Page, Skeleton } from '../parts/page.js'
import { WaitingStrip } from '../parts/waiting-strip.js'
import { query, setQuery } from '../router.js'
import { FILTER_WORDS, FILTERS, type Filter, fits, groupsOf, listed } from '../state/device-list.js'
import { allRows, loaded } from '../state/devices.js'
import { openDialog } from '../state/dialogs.js'
import { dense } from '../state/preferences.js'
import { plural, shown } from '../text.js'

/** All devices: who waits, who is wrong, and what they say. */
export function DevicesPage() {
  const filter = FILTERS.find((name) => name === query('state')) ?? null
  const search = query('q') ?? ''
  const waiting = useComputed(() => allRows.value.filter((row) => row.device.peek().state === 'waiting'))
  const group = query('group')
  const rows = listed(allRows.value, { filter, group, search, order: orderNow() })
  const registered = allRows.value.length - waiting.value.length

  return (
    <Page title="Devices" aside={<AddButton />}>
      {!loaded.value ? (
        <Skeleton what="devices" />
      ) : (
        <>
          {waiting.value.length > 0 && (filter === null || filter === 'waiting') && (
            <WaitingStrip rows={waiting.value} />
          )}
          {allRows.value.length === 0 ? (
            <Empty />
          ) : (
            <>
              <Tools filter={filter} group={group} search={search} />
              {rows.length > 0 && <DeviceTable rows={rows} />}
              {rows.length === 0 && filter !== 'waiting' && (
                <p class="nothing">
                  {registered === 0 ? 'No device is registered yet.' : `None of ${plural(registered, 'device')} fits.`}{' '}
                  {(filter !== null || group !== null || search !== '') && (
                    <button
                      type="button"
                      class="button small"
                      onClick={() => setQuery({ state: null, group: null, q: null })}
                    >
                      Show all
                    </button>
                  )}
                </p>
              )}
            </>
          )}
        </>
      )}
    </Page>
  )
}

function AddButton() {
  return (
    <Action
      onAct={() => {
        openDialog.value = { kind: 'add' }
      }}
    >
      Register…
    </Action>
  )
}

function Tools({ filter, group, search }: { filter: Filter | null; group: string | null; search: string }) {
  const devices = allRows.value.map((row) => row.device.peek())
  const always: readonly Filter[] = ['online', 'offline']
  const chips = FILTERS.map((name) => ({ name, count: devices.filter((device) => fits(name, device)).length }))
  return (
    <div class="tools">
      <fieldset class="chips">
        <legend class="sr">Show only</legend>
        <button type="button" class="chip" aria-pressed={filter === null} onClick={() => setQuery({ state: null })}>
          All <span class="num">{devices.filter(({ state }) => state !== 'waiting').length}</span>
        </button>
        {chips
          .filter(({ name, count }) => count > 0 || name === filter || always.includes(name))
          .map(({ name, count }) => (
            <button
              key={name}
              type="button"
              class={`chip ${name}`}
              aria-pressed={filter === name}
              onClick={() => setQuery({ state: filter === name ? null : name })}
            >
              {FILTER_WORDS[name]} <span class="num">{count}</span>
            </button>
          ))}
      </fieldset>
      <GroupFilter group={group} />
      <label class="search">
        <Icon name="search" />
        <span class="sr">Search by name, id, group or firmware</span>
        <input
          type="search"
          placeholder="Search"
          value={search}
          onInput={(event) => setQuery({ q: event.currentTarget.value })}
        />
      </label>
      <button
        type="button"
        class="button icon-only quiet"
        aria-label="Dense rows"
        title="Dense rows"
        aria-pressed={dense.value}
        onClick={() => {
          dense.value = !dense.value
        }}
      >
        <Icon name="rows" />
      </button>
    </div>
  )
}

function GroupFilter({ group }: { group: string | null }) {
  const groups = groupsOf(allRows.value)
  if (groups.length === 0 && group === null) return null
  const known = group === null || groups.includes(group) ? groups : [...groups, group]
  return (
    <select
      aria-label="Group"
      value={group ?? ''}
      onChange={(event) => setQuery({ group: event.currentTarget.value || null })}
    >
      <option value="">All groups</option>
      {known.map((name) => (
        <option key={name} value={name}>
          {shown(name, 32)}
        </option>
      ))}
    </select>
  )
}

const SIMULATE = 'npx usmp sim sensor --count 3'

function Empty() {
  return (
    <div class="empty">
      <h2>No devices yet</h2>
      <ol>
        <li>
          <b>Join</b>, above, lets new devices knock for a few minutes. Switch yours on, then approve it here.
        </li>
        <li>
          No device at hand? Simulate some: <code>{SIMULATE}</code> <CopyButton text={SIMULATE} what="the command" />
        </li>
        <li>
          Many devices, and you have their keys? <b>Register</b> them from a CSV file.
        </li>
      </ol>
    </div>
  )
}
