import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { pack, publicPackages } from '../../../scripts/pack.mjs'

const run = promisify(execFile)

interface Packed {
  readonly manifest: { readonly name: string; readonly version: string }
  readonly tarball: Buffer
}

/** Packs every package that is to be published, as `pnpm publish` would. They have to be built. */
export async function packAll(): Promise<Packed[]> {
  const out = await mkdtemp(join(tmpdir(), 'usmp-pack-'))
  try {
    for (const folder of publicPackages()) pack(folder, out)
    return await Promise.all((await readdir(out)).map((file) => read(join(out, file))))
  } finally {
    await rm(out, { recursive: true })
  }
}

async function read(path: string): Promise<Packed> {
  // The manifest inside names versions where ours says `workspace:`.
  const { stdout } = await run('tar', ['-xzOf', path, 'package/package.json'])
  return { manifest: JSON.parse(stdout), tarball: await readFile(path) }
}

/** A registry on loopback for the scope `@usmp`. */
export interface Registry {
  /** For `@usmp:registry` in the configuration of npm. */
  readonly url: string
  close(): void
}

/** @param all what it has; nothing, as long as nothing is published */
export async function serveRegistry(all: readonly Packed[]): Promise<Registry> {
  const packed = new Map(all.map((one) => [one.manifest.name, one]))
  const server: Server = createServer((request, response) => {
    const path = decodeURIComponent(request.url ?? '')
    const name = /^\/(@usmp\/[a-z]+)(\/-\/.*)?$/.exec(path)?.[1]
    const one = packed.get(name ?? '')
    if (!one) response.writeHead(404).end('{}')
    else if (path.includes('/-/')) response.end(one.tarball)
    else response.setHeader('content-type', 'application/json').end(JSON.stringify(describe(one, url)))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`
  return {
    url,
    close() {
      server.close()
      server.closeAllConnections()
    },
  }
}

/** What npm asks a registry for first. */
function describe({ manifest, tarball }: Packed, url: string): object {
  const { name, version } = manifest
  const integrity = `sha512-${createHash('sha512').update(tarball).digest('base64')}`
  const dist = { tarball: `${url}${name}/-/${version}.tgz`, integrity }
  return { name, 'dist-tags': { latest: version }, versions: { [version]: { ...manifest, dist } } }
}
