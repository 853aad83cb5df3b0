import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { cFolder, cPrograms } from '@usmp/testing/c-programs'
import { peerImage } from '../src/chip.js'

export type Role = 'client' | 'server'
export type MatrixTransport = 'tcp' | 'udp' | 'ws' | 'serial'
export type Suite = 'aes' | 'chacha'

export const transports: readonly MatrixTransport[] = ['tcp', 'udp', 'ws', 'serial']
export const suites: readonly Suite[] = ['aes', 'chacha']

/** One that keeps the contract of README.md. */
export interface Implementation {
  readonly name: string
  /** Program and first arguments; those of the contract follow. */
  readonly command: readonly string[]
  readonly client: readonly MatrixTransport[]
  readonly server: readonly MatrixTransport[]
  readonly suites: readonly Suite[]
  /** Whether it understands REKEY, as the side that starts it and as the other. */
  readonly rekey: boolean
  /** Its partners in every run of the tests, if these are not all; `run matrix` takes all. */
  readonly everyRun?: readonly string[]
}

const here = (path: string) => fileURLToPath(new URL(path, import.meta.url))
const node = (program: string, ...args: string[]) => [process.execPath, here(program), ...args]
const both = suites

const typescript = (provider: string): Omit<Implementation, 'name'> => ({
  command: node('typescript.mjs', '--provider', provider),
  client: transports,
  server: transports,
  suites: both,
  rekey: true,
})

const c = (...command: [program: string, ...args: string[]]): Omit<Implementation, 'name'> => ({
  command: node(...command),
  client: ['tcp', 'udp', 'serial'],
  server: ['tcp', 'udp', 'serial'],
  suites: both,
  rekey: true,
})

const python = (release: string, rest: Pick<Implementation, 'suites' | 'rekey'>): Implementation => ({
  name: `Python ${release}`,
  command: [here(`../.peers/${release}/bin/python`), here('published.py')],
  client: ['tcp', 'udp'],
  server: ['tcp', 'udp'],
  ...rest,
})

/** It follows a rekey, and begins none. */
const micropython: Omit<Implementation, 'name' | 'command'> = {
  client: ['tcp', 'udp'],
  server: [],
  suites: ['chacha'],
  rekey: false,
}

/** An emulated chip takes a second of a processor for a session: it is tested with one of each kind. */
const chip: Implementation = {
  name: 'C on rv32, BearSSL',
  ...c('rv32.mjs', '--image', peerImage),
  everyRun: ['TypeScript, node:crypto', 'C, BearSSL', 'C on rv32, BearSSL', 'Python 1.2.2'],
}

export const implementations: readonly Implementation[] = [
  { name: 'TypeScript, node:crypto', ...typescript('node') },
  { name: 'TypeScript, noble', ...typescript('noble') },
  { name: 'Chromium', command: node('chromium.mjs'), client: ['ws'], server: [], suites: both, rekey: true },
  { name: 'C, PSA', ...c('c.mjs', '--program', join(cFolder, cPrograms.psa)) },
  { name: 'C, BearSSL', ...c('c.mjs', '--program', join(cFolder, cPrograms.bearssl)) },
  chip,
  { name: 'MicroPython', command: node('micropython.mjs'), ...micropython },
  { name: 'MicroPython client on CPython', command: ['python3', here('micropython.py')], ...micropython },
  python('1.2.2', { suites: both, rekey: true }),
  python('1.1.0', { suites: ['aes'], rekey: false }),
  python('1.0.0', { suites: ['aes'], rekey: false }),
]
