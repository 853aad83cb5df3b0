import { readdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { nodeClock } from '@usmp/node'
import { joinBundle, splitBundle } from '@usmp/ota'
import { describe, expect, test } from 'vitest'
import { MAX_BUNDLE } from '../../src/contract/rollouts.js'
import { backupStore, restoreStore } from '../../src/store/backup.js'
import { openStore } from '../../src/store/open.js'
import { ADMIN, codeOf, OPERATOR, testGateway } from '../support/gateway.js'
import { temporaryFolder } from '../support/temporary-store.js'
import { bundle, PUBLISHER, publisher, Site, streamed } from './site.js'

describe('an image that is uploaded', () => {
  test('is kept once, newest first, and removed with its file', async () => {
    const site = await Site.open()
    const { gateway, folder } = site
    expect(gateway.images()).toEqual([])
    const first = await site.upload(bundle('1.0.0'))
    const second = await site.upload(bundle('1.1.0'))
    expect(await site.upload(bundle('1.1.0'))).toEqual(second)
    expect(
      gateway
        .images()
        .map(({ id }) => id)
        .sort(),
    ).toEqual([first.id, second.id].sort())
    expect((await readdir(folder)).sort()).toEqual([`${first.id}.uota`, `${second.id}.uota`].sort())
    await gateway.removeImage(ADMIN, first.id)
    expect(await readdir(folder)).toEqual([`${second.id}.uota`])
    expect(await codeOf(gateway.removeImage(ADMIN, first.id))).toBe('NOT_FOUND')
    const audit = await site.store.audit.page({ limit: 10 })
    expect(audit.map(({ action, result }) => `${action} ${result}`)).toEqual([
      'image.remove NOT_FOUND',
      'image.remove ok',
      'image.add ok',
      'image.add ok',
    ])
  })

  test.each([
    ['nothing', () => new Uint8Array()],
    ['a text', () => Buffer.from('firmware 1.2.3 '.repeat(50))],
    ['cut off', () => bundle('1.0.0').subarray(0, 2000)],
    ['longer than its manifest says', () => Buffer.concat([bundle('1.0.0'), Buffer.from('x')])],
    ['another image', () => joinBundle(splitBundle(bundle('1.0.0')).manifest, splitBundle(bundle('1.1.0')).image)],
    ['a manifest alone', () => splitBundle(bundle('1.0.0')).manifest.bytes],
  ])('%s is refused, and leaves no file', async (_, make) => {
    const site = await Site.open()
    expect(await codeOf(site.upload(make()))).toBe('INVALID')
    expect(await readdir(site.folder)).toEqual([])
    expect(site.gateway.images()).toEqual([])
  })

  test('is refused where its publisher is known and has not signed it, and where it is not known', async () => {
    const site = await Site.open({ publisherKeys: [PUBLISHER.key] })
    const bytes = bundle('1.0.0')
    // In the signature.
    bytes[120]! ^= 1
    await expect(site.upload(bytes)).rejects.toThrow(/The signature of this image is wrong/)
    await expect(site.upload(bundle('1.0.0', 'good', { by: publisher(9) }))).rejects.toThrow(/none of the publishers/)
    expect((await site.upload(bundle('1.0.0'))).verified).toBe(true)
    expect(await codeOf(site.gateway.addImage(OPERATOR, streamed(bundle('1.0.0'))))).toBe('FORBIDDEN')
  })

  test('ends where it becomes too large, and where its sender is gone', async () => {
    const site = await Site.open()
    async function* endless() {
      for (;;) yield new Uint8Array(1024 * 1024)
    }
    expect(await codeOf(site.gateway.addImage(ADMIN, endless()))).toBe('TOO_LARGE')
    async function* gone() {
      yield bundle('1.0.0').subarray(0, 100)
      throw new Error('the socket is closed')
    }
    await expect(site.gateway.addImage(ADMIN, gone())).rejects.toThrow('the socket is closed')
    expect(await readdir(site.folder)).toEqual([])
    expect(MAX_BUNDLE).toBeGreaterThan(16 * 1024 * 1024)
  })

  test('says so where its folder cannot be written, and nothing is half there', async () => {
    const folder = join(await temporaryFolder(), 'images')
    await writeFile(folder, 'a file where the folder should be')
    const site = await Site.open({ images: folder })
    expect(await codeOf(site.upload(bundle('1.0.0')))).toBe('STORE_FAILED')
    expect(site.gateway.images()).toEqual([])
  })

  test('has no place in a gateway without a folder', async () => {
    const { gateway } = await testGateway({ clock: nodeClock })
    expect(await codeOf(gateway.addImage(ADMIN, streamed(bundle('1.0.0'))))).toBe('WRONG_STATE')
  })
})

test('an image is removed, or a roll-out of it begins, but not both', async () => {
  const site = await Site.open()
  const outcomeOf = (work: Promise<unknown>) =>
    work.then(
      () => 'ok',
      ({ code }) => code,
    )
  for (const turns of [0, 1, 2, 4, 8]) {
    const image = await site.upload(bundle(`1.${turns}.0`))
    const remove = async () => {
      for (let n = 0; n < turns; n++) await Promise.resolve()
      await site.gateway.removeImage(ADMIN, image.id)
    }
    const [removed, begun] = await Promise.all([outcomeOf(remove()), outcomeOf(site.begin(image))])
    expect(['ok, NOT_FOUND', 'WRONG_STATE, ok']).toContain(`${removed}, ${begun}`)
    const [rollout] = site.gateway.rollouts()
    if (begun === 'ok') await site.gateway.abortRollout(ADMIN, rollout!.id, { rev: rollout!.rev })
  }
})

test('what an upload has left that was cut short is removed at the next start', async () => {
  const first = await Site.open()
  await first.upload(bundle('1.0.0'))
  await writeFile(join(first.folder, 'upload-0123456789abcdef.part'), 'UOTA')
  await first.gateway.close()
  await testGateway({ clock: nodeClock, images: first.folder }, first.store)
  expect(await readdir(first.folder)).toHaveLength(1)
})

test('a backup has roll-outs and images, but not their files, which may be there before the restore', async () => {
  const folder = join(await temporaryFolder(), 'gateway')
  const store = await openStore(folder)
  const images = join(folder, 'images')
  const { gateway } = await testGateway({ clock: nodeClock, images }, store)
  const image = await gateway.addImage(ADMIN, streamed(bundle('1.0.0')))
  const { id } = await gateway.startRollout(ADMIN, { image: image.id, target: { kind: 'all' } })
  const file = join(await temporaryFolder(), 'backup')
  await backupStore(folder, file)
  await gateway.close()
  await store.close()

  const restored = join(await temporaryFolder(), 'restored')
  await Site.copyImages(images, join(restored, 'images'))
  await restoreStore(file, restored)
  const again = await openStore(restored, { keyFile: join(folder, 'store.key') })
  const next = await testGateway({ clock: nodeClock, images: join(restored, 'images') }, again)
  expect(next.gateway.images()).toEqual([image])
  expect(next.gateway.rollout(id).rollout).toMatchObject({ state: 'canary', image })
  await next.gateway.close()
  await again.close()
})
