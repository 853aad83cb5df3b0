import { execFile } from 'node:child_process'
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { pack, publicPackages } from '../../../scripts/pack.mjs'
import { thirdParty } from './third-party.ts'

const run = promisify(execFile)

export interface Manifest {
  readonly name: string
  readonly version: string
}

/** One version of a package, as a registry has it. */
export interface Package {
  readonly manifest: Manifest
  tarball(): Promise<Buffer>
}

/** Packs every package that is to be published, as `pnpm publish` would. They have to be built. */
export async function packAll(): Promise<Package[]> {
  const out = await mkdtemp(join(tmpdir(), 'usmp-pack-'))
  try {
    for (const folder of publicPackages()) pack(folder, out)
    return await Promise.all((await readdir(out)).map((file) => read(join(out, file))))
  } finally {
    await rm(out, { recursive: true })
  }
}

async function read(path: string): Promise<Package> {
  // The manifest inside names versions where ours says `workspace:`.
  const { stdout } = await run('tar', ['-xzOf', path, 'package/package.json'])
  const tarball = await readFile(path)
  return { manifest: JSON.parse(stdout), tarball: async () => tarball }
}

/** A registry on loopback. */
export interface Registry {
  readonly url: string
  close(): void
}

/**
 * Serves packages of ours and all of others that the lock file has brought, and nothing else: npm also asks for packages that nobody
 * needs, such as optional peers of peers.
 * @param own none, as long as nothing is published
 */
export async function serveRegistry(own: readonly Package[]): Promise<Registry> {
  const known = new Map<string, Package[]>()
  for (const one of [...own, ...(await thirdParty())]) {
    const { name } = one.manifest
    known.set(name, [...(known.get(name) ?? []), one])
  }
  const server: Server = createServer((request, response) => {
    const path = decodeURIComponent(request.url ?? '')
    const [, name = '', tarball] = /^\/((?:@[^/]+\/)?[^/]+)(?:\/-\/(.*)\.tgz)?$/.exec(path) ?? []
    const versions = known.get(name)
    const one = versions?.find(({ manifest }) => manifest.version === tarball)
    if (one)
      one.tarball().then(
        (bytes) => response.end(bytes),
        (error) => response.writeHead(500).end(String(error)),
      )
    else if (!versions || tarball) response.writeHead(404).end('{}')
    else response.setHeader('content-type', 'application/json').end(JSON.stringify(describe(name, versions, url)))
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
function describe(name: string, versions: readonly Package[], url: string): object {
  const ascending = versions.map(({ manifest }) => manifest).sort((a, b) => compare(a.version, b.version))
  const entries = ascending.map((manifest) => [
    manifest.version,
    { ...manifest, dist: { tarball: `${url}${name}/-/${manifest.version}.tgz` } },
  ])
  return { name, 'dist-tags': { latest: ascending.at(-1)!.version }, versions: Object.fromEntries(entries) }
}

function compare(a: string, b: string): number {
  return a.localeCompare(b, 'en', { numeric: true })
}
