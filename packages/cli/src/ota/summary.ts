import { toHex } from '@usmp/core'
import type { Manifest } from '@usmp/ota'
import type { Fields } from '../output.js'
import { loadOta } from './package.js'

const LABEL_WIDTH = 16

/** A manifest for programs. */
export async function factsOf(manifest: Manifest): Promise<Fields> {
  const { formatDay, formatVersion, keyIdOf } = await loadOta()
  const { nextKey, notAfter, leastVersion, extensions } = manifest
  return {
    key_id: manifest.keyId,
    product: manifest.product,
    chip: manifest.chip,
    version: formatVersion(manifest.version),
    counter: manifest.counter,
    least_version: leastVersion === 0 ? null : formatVersion(leastVersion),
    not_after: notAfter === 0 ? null : formatDay(notAfter),
    name: manifest.name || null,
    size: manifest.size,
    sha256: toHex(manifest.sha256),
    next_key: nextKey ? { key_id: keyIdOf(nextKey), public_key: toHex(nextKey) } : null,
    revoked_keys: manifest.revokedKeys,
    unknown_fields: extensions.map(({ type, value }) => ({ type, value: toHex(value) })),
  }
}

/** A manifest for people: a line for each thing that it says. */
export async function summaryOf(manifest: Manifest): Promise<string> {
  const { formatDay, formatVersion, keyIdOf } = await loadOta()
  const { leastVersion, notAfter, nextKey, revokedKeys, extensions } = manifest
  const lines: [label: string, value: string | number][] = [
    ['product', `${manifest.product}, for ${manifest.chip}`],
    ['version', formatVersion(manifest.version)],
    ['counter', manifest.counter],
    ['image', `${manifest.size} bytes`],
    ['SHA-256', toHex(manifest.sha256)],
    ['signed with', manifest.keyId],
  ]
  if (manifest.name !== '') lines.unshift(['name', manifest.name])
  if (leastVersion !== 0) lines.push(['updates from', `${formatVersion(leastVersion)} on`])
  if (notAfter !== 0) lines.push(['last day', formatDay(notAfter)])
  if (nextKey) lines.push(['new key', `${keyIdOf(nextKey)} (${toHex(nextKey)})`])
  for (const id of revokedKeys) lines.push(['revoked key', id])
  for (const { type, value } of extensions) lines.push([`field 0x${toHex(Uint8Array.of(type))}`, toHex(value)])
  return lines.map(([label, value]) => `${label.padEnd(LABEL_WIDTH)}${value}`).join('\n')
}
