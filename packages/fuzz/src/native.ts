import { spawnSync } from 'node:child_process'
import { cpSync, mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { root } from './bundle.js'

const firmware = join(root, 'firmware-c')

/** The libFuzzer targets of the C core, with AddressSanitizer and UndefinedBehaviorSanitizer. */
export const nativeTargets: readonly { readonly name: string; readonly what: string }[] = [
  { name: 'deframer', what: 'streams and lines at any cut: the same frames, no byte read twice' },
  { name: 'handshake', what: 'either role and a peer without the key: never a session' },
  { name: 'session', what: 'two ends and somebody between; one of them seals anything' },
  { name: 'rpc', what: 'JSON-RPC: answers that are JSON, within their room' },
  { name: 'manifest', what: 'manifests of updates: fields within their limits, nothing unsigned taken' },
  { name: 'ota', what: 'a device that is updated, a gateway that says anything, flash that fails: what runs is whole' },
]

/** What a run of libFuzzer says at its end. */
export interface NativeResult {
  readonly executions: number
  readonly seconds: number
  /** Inputs that are kept. */
  readonly corpus: number
  /** Share of the branches of `firmware-c/src` (for `rpc` of `firmware-c/rpc`, for updates of `firmware-c/ota`) that the corpus comes to. */
  readonly branches: string
  /** Of crashes. */
  readonly crashes: readonly string[]
}

/** Where a target's corpus is kept. */
export function nativeCorpus(name: string): string {
  return join(firmware, 'tests/fuzz/corpus', name)
}

/** Builds all targets; twice, as coverage is told by other code than libFuzzer's. */
export function buildNative(work: string): void {
  build(join(work, 'fuzz'), [])
  build(join(work, 'coverage'), ['-DCMAKE_C_FLAGS=-fprofile-instr-generate -fcoverage-mapping'])
}

function build(folder: string, options: readonly string[]): void {
  run('cmake', ['-S', firmware, '-B', folder, '-G', 'Ninja', '-DUSMP_FUZZ=ON', '-DCMAKE_C_COMPILER=clang', ...options])
  run('cmake', ['--build', folder])
}

/** Runs one target for a while, from its corpus on; new inputs go to `work`, with `keep` to the corpus, as few as will do. */
export function fuzzNative(name: string, work: string, seconds: number, seed: number, keep: boolean): NativeResult {
  const program = join(work, 'fuzz/tests/fuzz', `fuzz_${name}`)
  const [grown, found] = [join(work, 'grown', name), join(work, 'found', name)]
  for (const folder of [grown, found, nativeCorpus(name)]) mkdirSync(folder, { recursive: true })
  const options = ['-max_len=2048', `-seed=${seed}`, '-print_final_stats=1', `-artifact_prefix=${found}/`]
  const log = run(program, [...options, `-max_total_time=${seconds}`, grown, nativeCorpus(name)], true)
  if (keep) {
    const small = mkdtempSync(join(work, 'small-'))
    run(program, ['-set_cover_merge=1', '-max_len=2048', small, nativeCorpus(name), grown])
    rmSync(nativeCorpus(name), { recursive: true })
    cpSync(small, nativeCorpus(name), { recursive: true })
  }
  const executions = Number(/number_of_executed_units: (\d+)/.exec(log)?.[1] ?? 0)
  const corpus = readdirSync(nativeCorpus(name)).length
  return {
    executions,
    seconds,
    corpus,
    branches: coverage(name, work, [grown, nativeCorpus(name)]),
    crashes: readdirSync(found),
  }
}

/** Where the code of a target is, unless it is the core. */
const folders: Readonly<Record<string, string>> = { rpc: 'rpc', manifest: 'ota', ota: 'ota' }

function coverage(name: string, work: string, corpora: readonly string[]): string {
  const program = join(work, 'coverage/tests/fuzz', `fuzz_${name}`)
  const [raw, profile] = [join(work, `${name}.raw`), join(work, `${name}.profile`)]
  run(program, ['-runs=0', '-max_len=2048', ...corpora], false, { LLVM_PROFILE_FILE: raw })
  run('llvm-profdata', ['merge', '-o', profile, raw])
  const sources = join(firmware, folders[name] ?? 'src')
  const report = run('llvm-cov', ['export', '-summary-only', `-instr-profile=${profile}`, program, sources])
  const { branches } = JSON.parse(report).data[0].totals as { branches: { count: number; covered: number } }
  return `${((100 * branches.covered) / branches.count).toFixed(1)} %`
}

/** @returns what it wrote; its own failure ends everything unless `mayFail` */
function run(command: string, args: readonly string[], mayFail = false, env: NodeJS.ProcessEnv = {}): string {
  const options = { encoding: 'utf8', maxBuffer: 256 * 1024 * 1024, env: { ...process.env, ...env } } as const
  const { status, stdout, stderr, error } = spawnSync(command, args, options)
  if (error) throw error
  if (status !== 0 && !mayFail) throw new Error(`${command} ${args.join(' ')} ended with ${status}:\n${stderr}`)
  return mayFail ? stderr : stdout
}
