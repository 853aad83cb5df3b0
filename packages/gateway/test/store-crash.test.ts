import { spawnSync } from 'node:child_process'
import { cp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { GatewayError } from '../src/errors.js'
import { layout } from '../src/store/layout.js'
import { type OpenedStore, openStore } from '../src/store/open.js'
import { FaultControl } from './crash/fault-control.js'
import { buildFaults, bundleProgram, type Run, removePrograms, run } from './crash/programs.js'
import { approval, approved } from './support/records.js'
import { temporaryFolder } from './support/temporary-store.js'

const onLinux = process.platform === 'linux'

/** Every device has as many revisions as the audit log has entries for it: a change and its entry are there, or neither. */
async function checkInStep(store: OpenedStore): Promise<Map<string, number>> {
  const revisions = new Map((await store.devices.list()).map(({ id, rev }) => [id, rev]))
  const entries = new Map<string, number>()
  for await (const { object, action } of store.audit.entries()) {
    if (action === 'device.approve') entries.set(object, (entries.get(object) ?? 0) + 1)
  }
  expect(entries).toEqual(revisions)
  expect(await store.audit.verify()).toMatchObject({ intact: true })
  return revisions
}

/** What was acknowledged is there, and at most one change more: the one that was being written. */
async function checkAfterKill(folder: string, { said }: Run): Promise<void> {
  const store = await openStore(folder)
  try {
    expect(store.warnings).toEqual([])
    const revisions = await checkInStep(store)
    const acknowledged = new Map<string, number>()
    for (const { written, rev } of said) if (written) acknowledged.set(written as string, rev as number)
    for (const [id, rev] of acknowledged) expect(revisions.get(id)).toBeGreaterThanOrEqual(rev)
    const sum = (map: Map<string, number>) => [...map.values()].reduce((a, b) => a + b, 0)
    const opened = said.find(({ opened }) => opened !== undefined)
    if (opened?.opened === 0) expect(sum(revisions) - sum(acknowledged)).toBeLessThanOrEqual(1)
    // And it works.
    await store.devices.cas('after', revisions.get('after') ?? 0, approved('after'), approval('after'))
  } finally {
    await store.close()
  }
}

describe.runIf(onLinux)('killed or refused at every call that writes', () => {
  let faults: string
  let writer: string
  let sweep: string
  beforeAll(async () => {
    faults = buildFaults()
    ;[writer, sweep] = await Promise.all([bundleProgram('writer'), bundleProgram('sweep')])
  })
  afterAll(removePrograms)

  test('kill -9: a store is made and written, each change is before or after', async () => {
    const root = await temporaryFolder()
    // Every fifth call; which ones differs from run to run.
    let next = 1 + Math.floor(5 * Math.random())
    const worker = async (number: number) => {
      const control = new FaultControl(join(root, `control-${number}`))
      for (;;) {
        const at = next
        next += 5
        const folder = join(root, `store-${at}`, 'store')
        control.set('kill', at)
        const env = { LD_PRELOAD: faults, FAULTS_UNDER: folder, FAULTS_CONTROL: control.path }
        const ended = await run([process.execPath, writer, folder, '3'], { env })
        expect(ended.stderr).toBe('')
        if (ended.code === 0) return at
        expect(ended.signal).toBe('SIGKILL')
        await checkAfterKill(folder, ended)
      }
    }
    const ends = await Promise.all([worker(0), worker(1)])
    expect(Math.min(...ends)).toBeGreaterThan(40)
  })

  test.each([
    ['fail', 1],
    ['fail', 4],
    ['torn', 1],
  ])('%s %d: what was refused is not there, and the next change works', async (mode, span) => {
    const root = await temporaryFolder()
    const folder = join(root, 'store')
    const control = join(root, 'control')
    new FaultControl(control).set('off')
    const env = { LD_PRELOAD: faults, FAULTS_UNDER: folder, FAULTS_CONTROL: control }
    const ended = await run([process.execPath, sweep, folder, root, control, mode, String(span)], { env })
    expect(ended.stderr).toBe('')
    expect(ended.code).toBe(0)
    const [{ refused, states }] = ended.said as [{ refused: number; states: unknown[] }]
    expect(refused).toBeGreaterThan(5)
    expect(states).toContain('the disk is full')
    expect(states.at(-1)).toBeNull()
  })

  test('kill -9 at any moment, again and again on the same store', async () => {
    const folder = join(await temporaryFolder(), 'store')
    for (let round = 0; round < 5; round++) {
      let left = Math.floor(Math.random() * 40)
      const ended = await run([process.execPath, writer, folder, '100000'], {
        onSaid: (said, kill) => {
          if (said.written && left-- === 0) setTimeout(kill, 5 * Math.random())
        },
      })
      expect([ended.signal, ended.stderr]).toEqual(['SIGKILL', ''])
      await checkAfterKill(folder, ended)
    }
  })

  test('a limit of the system on the size of files is told, and the store works on in a new file', async () => {
    const folder = join(await temporaryFolder(), 'store')
    // In units of 512 bytes; the log of LevelDB grows beyond it.
    const limited = ['sh', '-c', 'ulimit -f 640; exec "$@"', 'sh', process.execPath, writer, folder, '900']
    const ended = await run(limited)
    expect(ended.said.at(-1)).toEqual({ closed: true })
    expect(ended.said).toContainEqual({ state: 'a file would be larger than the system allows' })
    const refused = ended.said.filter((said) => said.refused)
    expect(refused.length).toBeGreaterThan(0)
    expect(ended.said.filter((said) => said.written).length).toBeGreaterThan(refused.length)
    await checkAfterKill(folder, ended)
  })
})

/** A file system of 2 MB in memory; undefined where this process may not mount one. */
async function smallDisk(): Promise<string | undefined> {
  const folder = await temporaryFolder()
  const mounted = spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=2m', 'tmpfs', folder]).status === 0
  if (!mounted) return undefined
  onTestFinished(() => void spawnSync('umount', [folder]))
  return folder
}

describe.runIf(onLinux && process.getuid?.() === 0)('a disk that is full', () => {
  test('is told, reads go on, and writes work again when there is room', async ({ skip }) => {
    const folder = await smallDisk()
    // A container without the right to mount: the faults above stand for it.
    if (folder === undefined) return skip('no right to mount')
    const store = await openStore(join(folder, 'store'))
    onTestFinished(() => store.close())
    const states: (string | null)[] = []
    store.onState(() => {
      throw new Error('a listener of this test, which must not harm')
    })
    store.onState((reason) => states.push(reason))
    await store.devices.cas('early', 0, approved('early'), approval('early'))
    const filler = join(folder, 'filler')
    await writeFile(filler, new Uint8Array(4 << 20)).catch(() => {})
    let written = 0
    const refusal = await (async () => {
      for (;;) {
        try {
          await store.devices.cas('device', written, approved(`${written}`), approval('device'))
          written++
        } catch (error) {
          return error
        }
      }
    })()
    expect(refusal).toMatchObject({ code: 'STORE_FAILED', message: expect.stringContaining('the disk is full') })
    for (let i = 0; i < 3; i++) {
      const late = store.devices.cas('late', 0, approved('late'), approval('late'))
      await expect(late).rejects.toMatchObject({ code: 'STORE_FAILED' })
      expect((await store.devices.get('early'))?.value.name).toBe('early')
      expect(await store.devices.get('late')).toBeUndefined()
      expect(await store.audit.verify()).toMatchObject({ intact: true, entries: 1 + written })
    }
    await rm(filler)
    await store.devices.cas('device', written, approved('again'), approval('device'))
    expect(states).toEqual(['the disk is full', null])
    await checkInStep(store)
    await store.close()
    const again = await openStore(join(folder, 'store'))
    expect((await again.devices.list()).map(({ id, rev }) => [id, rev])).toEqual([
      ['device', written + 1],
      ['early', 1],
    ])
    await again.close()
  })
})

describe('files cut or changed by a disk', () => {
  /** A store that was opened several times, so that it has tables and a log; and its revisions after each change. */
  async function makeHistory(): Promise<{ folder: string; history: string[] }> {
    const folder = await temporaryFolder()
    const history = [JSON.stringify([])]
    for (let i = 0; i < 3; i++) {
      const store = await openStore(folder)
      for (let j = 0; j < 12; j++) {
        const id = `device-${j % 4}`
        const rev = (await store.devices.get(id))?.rev ?? 0
        await store.devices.cas(id, rev, approved(`${i} ${j}`), approval(id))
        history.push(JSON.stringify(await store.devices.list()))
      }
      await store.close()
    }
    return { folder, history }
  }

  /** Opens a damaged store: a state that once was, told if it is not the newest; or a refusal that names the backup. */
  async function judge(folder: string, history: readonly string[]): Promise<'whole' | 'older' | 'refused'> {
    let store: OpenedStore
    try {
      store = await openStore(folder)
    } catch (error) {
      expect(error).toBeInstanceOf(GatewayError)
      expect(error).toMatchObject({ code: 'STORE_FAILED', hint: expect.stringMatching(/backup/) })
      return 'refused'
    }
    try {
      const at = history.indexOf(JSON.stringify(await store.devices.list()))
      expect(at).toBeGreaterThanOrEqual(0)
      await checkInStep(store)
      if (at === history.length - 1) return 'whole'
      expect(store.warnings.join()).toContain('changes are lost')
      return 'older'
    } finally {
      await store.close()
    }
  }

  async function sweep(damage: (content: Buffer, at: number) => Buffer, samples: number) {
    const { folder, history } = await makeHistory()
    const root = await temporaryFolder()
    const outcomes = { whole: 0, older: 0, refused: 0 }
    const names = (await readdir(layout(folder).records)).filter((name) => !/^LO/.test(name))
    for (const name of names) {
      const content = await readFile(join(layout(folder).records, name))
      const step = Math.max(1, Math.floor(content.length / samples))
      for (let at = 0; at < content.length; at += step) {
        const copy = join(root, 'copy')
        await cp(folder, copy, { recursive: true })
        await writeFile(join(layout(copy).records, name), damage(content, at))
        outcomes[await judge(copy, history)]++
        await rm(copy, { recursive: true })
      }
    }
    return outcomes
  }

  test('cut anywhere: a state that was, told as older, or refused', async () => {
    const outcomes = await sweep((content, at) => content.subarray(0, at), 6)
    expect(outcomes.older).toBeGreaterThan(5)
    expect(outcomes.refused).toBeGreaterThan(5)
  })

  test('a byte changed anywhere: a state that was, told as older, or refused', async () => {
    const outcomes = await sweep((content, at) => {
      const changed = Buffer.from(content)
      changed[at]! ^= 0x10
      return changed
    }, 6)
    expect(outcomes.refused).toBeGreaterThan(5)
  })

  test('a file removed: a state that was, told as older, or refused', async () => {
    const { folder, history } = await makeHistory()
    const root = await temporaryFolder()
    for (const name of await readdir(layout(folder).records)) {
      const copy = join(root, name)
      await cp(folder, copy, { recursive: true })
      await rm(join(layout(copy).records, name))
      const outcome = await judge(copy, history)
      if (!/^LO/.test(name) || name.endsWith('.log')) expect([name, outcome]).not.toEqual([name, 'whole'])
    }
  })
})
