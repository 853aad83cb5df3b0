import type { AuditEntry } from '@usmp/gateway/contract'
import { useEffect, useState } from 'preact/hooks'
import { api } from '../api.js'
import { Action } from '../parts/action.js'
import { FormFault } from '../parts/field.js'
import { Page, Skeleton } from '../parts/page.js'
import { deviceAddress, query, rolloutAddress, setQuery } from '../router.js'
import { connected } from '../state/link.js'
import { forbidden } from '../state/session.js'
import { dateTime, plural, shown, whole } from '../text.js'

type Verdict = Awaited<ReturnType<typeof api.verifyAudit>>

/** Who has done what: the audit log, newest first, and whether nobody has changed it. */
export function AuditPage() {
  const why = forbidden('operator')
  return (
    <Page title="Audit" aside={why === null && <Exports />}>
      {why === null ? <Log /> : <p class="nothing">{why} The log names people and addresses.</p>}
    </Page>
  )
}

function Exports() {
  return (
    <span class="row-gap">
      <a class="button small" download href="/api/audit/export?format=csv">
        CSV
      </a>
      <a class="button small" download href="/api/audit/export?format=jsonl">
        JSON lines
      </a>
    </span>
  )
}

function Log() {
  const object = query('object') ?? ''
  const [entries, setEntries] = useState<readonly AuditEntry[] | null>(null)
  const [more, setMore] = useState(false)
  const [error, setError] = useState<unknown>(null)
  const isConnected = connected.value

  const load = async (before: number | null) => {
    const page = await api.audit({
      ...(object === '' ? {} : { object }),
      ...(before === null ? {} : { before: String(before) }),
    })
    setEntries((known) => (before === null ? page.entries : [...(known ?? []), ...page.entries]))
    setMore(page.more)
  }

  useEffect(() => {
    if (!isConnected) return
    setError(null)
    load(null).catch(setError)
  }, [object, isConnected])

  return (
    <>
      <div class="tools">
        <Verify />
        <ObjectFilter object={object} />
      </div>
      <FormFault error={error} />
      {entries === null && error === null && <Skeleton what="the audit log" lines={10} />}
      {entries?.length === 0 && (
        <p class="nothing">{object === '' ? 'Nothing has been done yet.' : 'Nothing was done to this one.'}</p>
      )}
      {entries !== null && entries.length > 0 && (
        <table class="plain audit">
          <caption class="sr">Audit log, newest first</caption>
          <thead>
            <tr>
              <th scope="col">Time</th>
              <th scope="col">Who</th>
              <th scope="col">Action</th>
              <th scope="col">To</th>
              <th scope="col">Result</th>
              <th scope="col">Detail</th>
            </tr>
          </thead>
          <tbody>
            {entries.map((entry) => (
              <Line key={entry.seq} entry={entry} />
            ))}
          </tbody>
        </table>
      )}
      {more && (
        <Action needs="viewer" onAct={() => load(entries?.at(-1)?.seq ?? null)}>
          Older entries
        </Action>
      )}
    </>
  )
}

/** Takes effect with Enter, or when the field is left. */
function ObjectFilter({ object }: { object: string }) {
  return (
    <label class="search">
      <span class="sr">Only what was done to this device id or user</span>
      <input
        type="search"
        placeholder="Device id or user"
        value={object}
        onChange={(event) => setQuery({ object: event.currentTarget.value.trim() })}
      />
    </label>
  )
}

const DEVICE = /^([0-9a-f]{2}:){5}[0-9a-f]{2}$/

function Line({ entry }: { entry: AuditEntry }) {
  const { seq, at, actor, role, action, object, result, detail } = entry
  return (
    <tr class={result === 'ok' ? undefined : 'refused'}>
      <td class="num" title={`Entry ${seq}, hash ${entry.hash}`}>
        {dateTime(at)}
      </td>
      <td>
        <bdi>{shown(actor, 48)}</bdi> <span class="dim">{shown(role)}</span>
      </td>
      <td class="mono">{shown(action)}</td>
      <td class="mono">
        <Target action={action} object={object} />
      </td>
      <td>{result === 'ok' ? 'ok' : <span class="badge failed">✕ {shown(result)}</span>}</td>
      <td class="detail">
        <bdi>{shown(detail, 256)}</bdi>
      </td>
    </tr>
  )
}

/** What it was done to; devices and roll-outs have pages. */
function Target({ action, object }: Pick<AuditEntry, 'action' | 'object'>) {
  if (DEVICE.test(object)) return <a href={deviceAddress(object)}>{object}</a>
  if (action.startsWith('rollout.')) return <a href={rolloutAddress(object)}>{shown(object)}</a>
  return <bdi>{shown(object)}</bdi>
}

function Verify() {
  const [verdict, setVerdict] = useState<Verdict | null>(null)
  return (
    <div class="row-gap">
      <Action needs="operator" onAct={async () => setVerdict(await api.verifyAudit())}>
        Verify the chain
      </Action>
      <span role="status">
        {verdict !== null &&
          (verdict.intact ? (
            <span class="badge online">✓ {plural(verdict.entries, 'entry', 'entries')}, none changed or missing</span>
          ) : (
            <span class="badge failed">✕ Broken at entry {whole(verdict.brokenAt ?? 0)}</span>
          ))}
      </span>
    </div>
  )
}
