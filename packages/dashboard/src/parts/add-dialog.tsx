import type { importResult } from '@usmp/gateway/contract'
import { useState } from 'preact/hooks'
import { api } from '../api.js'
import { type KeyText, readDeviceId } from '../key.js'
import { deviceAddress, navigate } from '../router.js'
import { closeDialog } from '../state/dialogs.js'
import { tellDone } from '../state/notices.js'
import { plural, shown } from '../text.js'
import { Dialog } from './dialog.js'
import { Field } from './field.js'
import { Form } from './form.js'
import { KeyField } from './key-field.js'

type ImportResult = NonNullable<(typeof importResult)['~types']>['output']

/** Registers devices before they knock: one, or many from a file. */
export function AddDialog() {
  const [many, setMany] = useState(false)
  return (
    <Dialog title="Register devices" onClose={closeDialog}>
      <fieldset class="segments">
        <legend class="sr">How many</legend>
        <label>
          <input type="radio" name="many" checked={!many} onChange={() => setMany(false)} />
          <span>One device</span>
        </label>
        <label>
          <input type="radio" name="many" checked={many} onChange={() => setMany(true)} />
          <span>Many from a CSV file</span>
        </label>
      </fieldset>
      <p class="dim">A registered device comes online with its first knock. The join window is not needed.</p>
      {many ? <ImportForm /> : <RegisterForm />}
    </Dialog>
  )
}

function RegisterForm() {
  const [idText, setId] = useState('')
  const [text, setText] = useState('')
  const [key, setKey] = useState<KeyText>({ kind: 'empty' })
  const [name, setName] = useState('')
  const [group, setGroup] = useState('')
  const id = readDeviceId(idText)
  const idFault = idText !== '' && id === null ? 'Six bytes, as aa:bb:cc:dd:ee:ff.' : null
  const mismatch = key.kind === 'key' && key.id !== null && id !== null && key.id !== id
  const unless =
    id === null
      ? 'Give the id of the device first.'
      : mismatch
        ? 'The code is for another device.'
        : key.kind !== 'key'
          ? 'Give the key of the device first.'
          : null

  const register = async () => {
    if (id === null || key.kind !== 'key') return
    const details = { ...(name.trim() ? { name: name.trim() } : {}), ...(group.trim() ? { group: group.trim() } : {}) }
    const device = await api.register({ id, psk: key.psk, ...details })
    tellDone(
      `${shown(device.name) || device.id} is registered. Its fingerprint is ${device.fingerprint ?? 'not known'}.`,
    )
    closeDialog()
    navigate(deviceAddress(device.id))
  }

  return (
    <Form needs="operator" verb="Register" unless={unless} onCancel={closeDialog} onSubmit={register}>
      <Field label="Id of the device" fault={idFault}>
        {(ids) => (
          <input
            {...ids}
            class="mono"
            placeholder="aa:bb:cc:dd:ee:ff"
            maxLength={20}
            value={idText}
            onInput={(event) => setId(event.currentTarget.value)}
          />
        )}
      </Field>
      <KeyField
        text={text}
        onText={(next, read) => {
          setText(next)
          setKey(read)
          if (read.kind === 'key' && read.id !== null && idText === '') setId(read.id)
        }}
        verdict={
          mismatch
            ? { kind: 'bad', text: 'This code is for another device.' }
            : key.kind === 'unfinished'
              ? { kind: 'note', text: key.why }
              : null
        }
      />
      <div class="two">
        <Field label="Name">
          {(ids) => (
            <input {...ids} maxLength={64} value={name} onInput={(event) => setName(event.currentTarget.value)} />
          )}
        </Field>
        <Field label="Group">
          {(ids) => (
            <input {...ids} maxLength={64} value={group} onInput={(event) => setGroup(event.currentTarget.value)} />
          )}
        </Field>
      </div>
    </Form>
  )
}

function ImportForm() {
  const [csv, setCsv] = useState('')
  const [result, setResult] = useState<ImportResult | null>(null)
  const lines = csv.split('\n').filter((line) => line.trim() !== '').length
  if (result) return <ImportOutcome result={result} />
  return (
    <Form
      needs="operator"
      verb={lines > 1 ? `Register ${plural(lines - 1, 'device')}` : 'Register'}
      unless={lines > 1 ? null : 'Choose a file, or paste its lines, first.'}
      onCancel={closeDialog}
      onSubmit={async () => setResult(await api.importDevices({ csv }))}
    >
      <label class="file">
        File
        <input
          type="file"
          accept=".csv,text/csv,text/plain"
          onChange={async (event) => setCsv((await event.currentTarget.files?.[0]?.text()) ?? '')}
        />
      </label>
      <Field
        label="Lines"
        hint={
          <>
            The first line names the columns: <code>id,psk</code> and, if wanted, <code>name,group</code>. A key is 64
            hex digits.
          </>
        }
      >
        {(ids) => (
          <textarea
            {...ids}
            class="mono secret"
            rows={6}
            spellcheck={false}
            autocomplete="off"
            placeholder={'id,psk,name,group'}
            value={csv}
            onInput={(event) => setCsv(event.currentTarget.value)}
          />
        )}
      </Field>
    </Form>
  )
}

function ImportOutcome({ result: { registered, refused } }: { result: ImportResult }) {
  return (
    <div class="form" role="status">
      <p class="big">{plural(registered, 'device')} registered.</p>
      {refused.length > 0 && (
        <>
          <p class="fault">{plural(refused.length, 'line was', 'lines were')} not taken; the others were.</p>
          <ul class="lines">
            {refused.map(({ line, id, message }) => (
              <li key={line}>
                <span class="num dim">Line {line}</span> {id && <span class="mono">{shown(id)}</span>}{' '}
                {shown(message, 200)}
              </li>
            ))}
          </ul>
        </>
      )}
      <div class="buttons">
        <button type="button" class="button primary" onClick={closeDialog}>
          Done
        </button>
      </div>
    </div>
  )
}
