import { createHash } from 'node:crypto'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { joinBundle, keyIdOf, parseVersion, publicKeyOf, signManifest } from '@usmp/ota'
import { directory } from './usmp.js'

/** The public key of a publisher, and a signed image for simulated sensors. */
export async function signed(
  version: string,
  publisher: number,
  size = 2000,
): Promise<{ key: string; bundle: string; folder: string }> {
  const secret = new Uint8Array(32).fill(publisher)
  const image = Buffer.alloc(size, version)
  const fields = {
    keyId: keyIdOf(publicKeyOf(secret)),
    product: 'usmp-sim-sensor',
    chip: 'sim',
    version: parseVersion(version),
    counter: 1,
    leastVersion: 0,
    size: image.length,
    sha256: createHash('sha256').update(image).digest(),
    notAfter: 0,
    name: '',
    revokedKeys: [],
    extensions: [],
  }
  const folder = await directory()
  const [key, bundle] = [join(folder, 'release.pub'), join(folder, 'image.uota')]
  await writeFile(key, Buffer.from(publicKeyOf(secret)).toString('hex'))
  await writeFile(bundle, joinBundle(signManifest(fields, secret), image))
  return { key, bundle, folder }
}
