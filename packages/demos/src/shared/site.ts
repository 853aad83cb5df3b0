import { readdirSync, readFileSync } from 'node:fs'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { extname, join } from 'node:path'

const TYPES: Readonly<Record<string, string>> = {
  '.css': 'text/css; charset=utf-8',
  '.html': 'text/html; charset=utf-8',
  '.ico': 'image/x-icon',
  '.js': 'text/javascript; charset=utf-8',
  '.json': 'application/json',
  '.map': 'application/json',
  '.png': 'image/png',
  '.svg': 'image/svg+xml',
  '.webmanifest': 'application/manifest+json',
  '.woff2': 'font/woff2',
}

/** Nothing but the page's own files, and no address but those of `policy`. No HSTS: other programs on this host may speak plain HTTP. */
const headersOf = (policy: readonly string[]) => ({
  'Cache-Control': 'no-cache',
  'Content-Security-Policy': [
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self'",
    "img-src 'self' data:",
    "font-src 'self'",
    "manifest-src 'self'",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
    ...policy,
  ].join('; '),
  'Cross-Origin-Opener-Policy': 'same-origin',
  'Cross-Origin-Resource-Policy': 'same-origin',
  'Permissions-Policy': 'camera=(), geolocation=(), microphone=()',
  'Referrer-Policy': 'no-referrer',
  'X-Content-Type-Options': 'nosniff',
  'X-Frame-Options': 'DENY',
})

interface File {
  readonly type: string
  readonly body: Buffer
}

/**
 * Serves the files of a folder. They are read once, so that no request reaches the file system; `/` is `index.html`.
 * @param policy what the page needs of its Content-Security-Policy besides its own files; default: its own origin for WebSockets
 * @throws the system's error if the folder cannot be read
 */
export function site(
  folder: string,
  policy: readonly string[] = ["connect-src 'self'"],
): (request: IncomingMessage, response: ServerResponse) => void {
  const common = headersOf(policy)
  const files = new Map<string, File>()
  for (const entry of readdirSync(folder, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue
    const path = join(entry.parentPath, entry.name)
    const type = TYPES[extname(entry.name)] ?? 'application/octet-stream'
    const url = path.slice(folder.length).replaceAll('\\', '/')
    files.set(url === '/index.html' ? '/' : url, { type, body: readFileSync(path) })
  }
  return ({ method, url = '' }, response) => {
    if (method !== 'GET' && method !== 'HEAD')
      return answer(response, 405, 'only GET is served here', { ...common, Allow: 'GET, HEAD' })
    const file = files.get(url.split('?', 1)[0]!)
    if (!file) return answer(response, 404, 'there is nothing here', common)
    const headers = { ...common, 'Content-Type': file.type, 'Content-Length': file.body.length }
    response.writeHead(200, headers).end(method === 'HEAD' ? undefined : file.body)
  }
}

function answer(response: ServerResponse, status: number, text: string, headers: Record<string, string>): void {
  const body = `${text}\n`
  response
    .writeHead(status, {
      ...headers,
      'Content-Type': 'text/plain; charset=utf-8',
      'Content-Length': body.length,
    })
    .end(body)
}
