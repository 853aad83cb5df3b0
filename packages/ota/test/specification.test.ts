import { readFileSync } from 'node:fs'
import { fromHex } from '@usmp/core'
import { expect, test } from 'vitest'
import { judgeManifest, OtaCode, parseManifest, parseVersion } from '../src/index.ts'

const chapter = readFileSync(new URL('../../../docs/spec/13-signed-updates.md', import.meta.url), 'utf8')

/** What stands between two headings. */
const section = (number: string) => chapter.split(/^(?=## )/m).find((text) => text.startsWith(`## ${number} `))!

test('the worked example of 13.8 is taken by a device that trusts its key', () => {
  const [, signedPart, signature] = /```\n([\s\S]*?)```[\s\S]*?```\n([\s\S]*?)```/.exec(section('13.8'))!
  const manifest = parseManifest(fromHex(signedPart! + signature!))
  const publicKey = fromHex('d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a')
  const target = {
    product: 'weather-station',
    chip: 'esp32c3',
    version: parseVersion('1.3.0'),
    record: { counter: 7, keys: [publicKey], revoked: [] },
    slotSize: 8,
    busy: false,
  }
  expect(judgeManifest(manifest, target)).toBeUndefined()
  expect(manifest).toMatchObject({ name: 'spring', version: parseVersion('1.4.0'), keyId: '21fe31dfa154a261' })
})

test('13.4 lists the codes with their numbers', () => {
  const printed = [...section('13.4').matchAll(/([A-Z_]{4,}) (?:\| )?−(\d{5})/g)]
  const table = Object.fromEntries(printed.map(([, name, number]) => [name, -Number(number)]))
  expect(table).toEqual(OtaCode)
})
