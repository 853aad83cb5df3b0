import { existsSync } from 'node:fs'
import { readdir, readFile } from 'node:fs/promises'
import { dirname, join, relative, sep } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { gzip } from 'node:zlib'
import type { Context } from 'hono'
import { getMimeType } from 'hono/utils/mime'

const INDEX = '/index.html'
/** Files in here have a hash in their name, so they never change. */
const ASSETS = '/assets/'
const NOT_BUILT =
  'The page of the gateway was not built. Its API works. In a checkout run `pnpm -r run build`; in an installation, install @usmp/gateway again.\n'

interface PageFile {
  readonly body: Uint8Array<ArrayBuffer>
  readonly zipped: Uint8Array<ArrayBuffer>
  readonly type: string
}

/** The built page, read into memory once: no path of a request ever touches the disk. */
export class Page {
  readonly #files: ReadonlyMap<string, PageFile>

  private constructor(files: ReadonlyMap<string, PageFile>) {
    this.#files = files
  }

  /** @param folder left out: where the build of the gateway puts the page */
  static async read(folder = builtPage()): Promise<Page> {
    const names = existsSync(folder) ? await readdir(folder, { recursive: true, withFileTypes: true }) : []
    const files = names.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name))
    const pairs = files.map(
      async (file) => [`/${relative(folder, file).split(sep).join('/')}`, await read(file)] as const,
    )
    return new Page(new Map(await Promise.all(pairs)))
  }

  /** A file; the page itself for each path that is none, as it has routes of its own. */
  serve(c: Context): Response {
    const { path } = c.req
    const file = this.#files.get(path)
    if (file) return send(c, file, path.startsWith(ASSETS) ? 'public, max-age=31536000, immutable' : 'no-cache')
    const index = this.#files.get(INDEX)
    if (!index) return c.text(NOT_BUILT, 503)
    if (path.startsWith(ASSETS) || /\.\w+$/.test(path)) return c.text('There is no such file.\n', 404)
    return send(c, index, 'no-cache')
  }
}

async function read(file: string): Promise<PageFile> {
  const body = new Uint8Array(await readFile(file))
  const zipped = new Uint8Array(await promisify(gzip)(body))
  return { body, zipped, type: getMimeType(file) ?? 'application/octet-stream' }
}

function send(c: Context, { body, zipped, type }: PageFile, caching: string): Response {
  c.header('Cache-Control', caching)
  c.header('Content-Type', type)
  c.header('Vary', 'Accept-Encoding')
  if (!/\bgzip\b/.test(c.req.header('accept-encoding') ?? '')) return c.body(body)
  c.header('Content-Encoding', 'gzip')
  return c.body(zipped)
}

/** Beside the bundle of the gateway; when its sources run, in the folder of the bundle. */
function builtPage(): string {
  const here = dirname(fileURLToPath(import.meta.url))
  return here.endsWith(join('src', 'http')) ? join(here, '..', '..', 'dist', 'page') : join(here, 'page')
}
