import os from 'node:os'
import { describe, expect, test } from 'vitest'
import { discover } from '../src/discover.ts'
import type { Found } from '../src/found.ts'
import { gatewayAt, LOOPBACK, ownPlace, searchUntil } from './place.ts'

const one = (found: readonly Found[]) => found.length > 0

describe('a gateway is found', () => {
  test.each([
    ['mdns', { udp: false }],
    ['udp', { mdns: false }],
  ] as const)('by %s alone', async (way, only) => {
    const place = await ownPlace()
    await using gateway = await gatewayAt(place, {
      joinOpen: true,
      carriers: [{ kind: 'ws', port: 8080, host: '127.0.0.1' }],
      path: '/usmp',
    })
    const [found] = await searchUntil({ ...place, ...only }, one)
    expect(found).toMatchObject({
      role: 'gateway',
      instance: gateway.instance,
      site: 'home',
      joinOpen: true,
      carriers: [{ kind: 'ws', port: 8080 }],
      by: [way],
      gone: false,
      urls: ['ws://127.0.0.1:8080/usmp'],
    })
    expect(found!.addresses).toMatchObject([{ address: '127.0.0.1', interface: LOOPBACK }])
  })

  test('by both ways: it is one', async () => {
    const place = await ownPlace()
    await using gateway = await gatewayAt(place)
    const found = await searchUntil(place, (all) => all.some(({ by }) => by.length === 2))
    expect(found).toMatchObject([{ instance: gateway.instance, by: ['mdns', 'udp'] }])
  })

  test('by its address alone, where nothing else gets through', async () => {
    const place = await ownPlace()
    await using gateway = await gatewayAt(place)
    // No interface of this name: no multicast and no broadcast leaves.
    const search = { ...place, interfaces: ['none'], hosts: ['127.0.0.1'] }
    const found = await searchUntil(search, one)
    expect(found).toMatchObject([{ instance: gateway.instance, by: ['udp'] }])
  })

  test('and goes on where the system does not tell its interfaces for a moment', async () => {
    const { interfaces, ...ports } = await ownPlace()
    let looks = 0
    const networkInterfaces = () => {
      if (looks++ % 2 === 0) throw new Error('out of memory')
      return os.networkInterfaces()
    }
    const place = { ...ports, interfaces, networkInterfaces }
    const warnings: string[] = []
    await using gateway = await gatewayAt(place, { followInterval: 20, onWarning: (message) => warnings.push(message) })
    const found = await searchUntil({ ...place, interval: 50 }, one)
    expect(found).toMatchObject([{ instance: gateway.instance }])
    expect(warnings).toEqual(['the networks of this machine: out of memory'])
  })

  test('but not by who looks for devices, or for another site', async () => {
    const place = await ownPlace()
    await using _ = await gatewayAt(place)
    for (const wanted of [{ roles: ['device'] as const }, { site: 'office' }]) {
      const search = discover({ ...place, ...wanted, timeout: 700 })
      for await (const found of search) expect(found).toBeUndefined()
      expect(search.tried.networks).toMatchObject([{ interface: LOOPBACK }])
    }
  })
})
