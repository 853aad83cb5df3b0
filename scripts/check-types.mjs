// Compiles small projects against the packed packages, as users have them: without skipLibCheck, with and without the types of
// Node, and with every way to resolve modules.
import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { root } from './pnpm.mjs'

const core = `
import { deriveDevicePsk, Session, UsmpError } from '@usmp/core'
import { nobleProvider } from '@usmp/core/crypto-noble'
import { ReliableDatagram } from '@usmp/core/datagram'
import { decodeFrame } from '@usmp/core/frame'
import { checkOptions } from '@usmp/core/options'
import { pskFromPassphrase } from '@usmp/core/passphrase'
import { rpc } from '@usmp/rpc'
export async function end(session: Session): Promise<void> {
  const peer = rpc(session, {})
  await session[Symbol.asyncDispose]()
  await peer.closed
}
export const all = [deriveDevicePsk, UsmpError, nobleProvider, ReliableDatagram, decodeFrame, checkOptions, pskFromPassphrase]
`
const sources = {
  browser: `${core}
import { browserCredentials, connect } from '@usmp/browser'
export const start = (): Promise<Session> => connect('wss://gateway.example/', browserCredentials()!)
`,
  node: `${core}
import { connect, listen, type Server } from '@usmp/node'
import { nodeProvider } from '@usmp/node/crypto'
export const serve = (psk: Uint8Array): Promise<Server> => listen({ psk: () => psk, provider: nodeProvider })
export const start = (psk: Uint8Array): Promise<Session> => connect('usmp://host', { deviceId: 'aa:bb:cc:dd:ee:ff', psk })
`,
}
const platforms = {
  browser: { lib: ['ES2022', 'DOM', 'DOM.Iterable', 'DOM.AsyncIterable'], types: [] },
  node: { lib: ['ES2022'], types: ['node'] },
}
const resolutions = [
  { type: 'module', module: 'ESNext', moduleResolution: 'Bundler' },
  { type: 'module', module: 'Node16', moduleResolution: 'Node16' },
  { type: 'commonjs', module: 'Node16', moduleResolution: 'Node16' },
  { type: 'commonjs', module: 'CommonJS', moduleResolution: 'Node10' },
]

/**
 * @param {Map<string, string>} tarballs by the name of the package
 * @returns {boolean} whether everything compiles
 */
export function checkTypes(tarballs) {
  const folder = mkdtempSync(join(tmpdir(), 'usmp-types-'))
  let good = true
  try {
    install(folder, tarballs)
    for (const [platform, options] of Object.entries(platforms)) {
      for (const { type, ...resolution } of resolutions) {
        writeFileSync(join(folder, 'package.json'), JSON.stringify({ type }))
        writeFileSync(join(folder, 'main.ts'), sources[platform])
        const compilerOptions = {
          target: 'ES2022',
          strict: true,
          skipLibCheck: false,
          noEmit: true,
          ...options,
          ...resolution,
        }
        writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify({ compilerOptions, files: ['main.ts'] }))
        const name = `${platform}, ${type}, ${resolution.moduleResolution}`
        const faults = compile(folder)
        console.log(faults ? `types: ${name}:\n${faults}` : `types: ${name}: good`)
        if (faults) good = false
      }
    }
  } finally {
    rmSync(folder, { recursive: true })
  }
  return good
}

function install(folder, tarballs) {
  for (const [name, tarball] of tarballs) {
    const place = join(folder, 'node_modules', name)
    mkdirSync(place, { recursive: true })
    execFileSync('tar', ['-xzf', tarball, '-C', place, '--strip-components=1'])
  }
  const others = { valibot: 'packages/rpc/node_modules/valibot', '@types/node': 'node_modules/@types/node' }
  for (const [name, from] of Object.entries(others)) {
    const place = join(folder, 'node_modules', name)
    mkdirSync(dirname(place), { recursive: true })
    symlinkSync(join(root, from), place)
  }
}

/** The faults, or nothing. */
function compile(folder) {
  const compiler = join(root, 'node_modules', 'typescript', 'bin', 'tsc')
  try {
    execFileSync(process.execPath, [compiler, '-p', folder], { encoding: 'utf8' })
    return ''
  } catch (error) {
    return error.stdout
  }
}
