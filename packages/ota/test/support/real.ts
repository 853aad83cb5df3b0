import type { Session } from '@usmp/core'
import type { Server } from '@usmp/node'
import { contract, rpc } from '@usmp/rpc'
import { Random, until } from '@usmp/testing'
import { expect, onTestFinished } from 'vitest'
import {
  imageOf,
  MemorySlots,
  OtaDevice,
  otaDeviceApi,
  otaGatewayApi,
  type SenderPeer,
  type SentUpdate,
  UpdateSender,
  VerifiedImage,
} from '../../src/index.ts'
import { alice, hexOf, manifestFor } from './world.ts'

const serves = contract({ notifications: { ...otaGatewayApi.notifications } })

/** Chunks after which the session is cut. */
const CUT_AFTER = 60

/** What a gateway did in one session; `sent` is undefined where nothing was to be sent, or the session ended before. */
export interface Served {
  sent?: SentUpdate
}

/**
 * Updates a device over real sessions: transfer, restart, confirmation. The first session is cut in the midst of the transfer.
 * @param connect makes a session of the device at the server
 * @returns what the gateway did in each session
 */
export async function updateOver(server: Server, connect: () => Promise<Session>, size = 60_000): Promise<Served[]> {
  const image = new Random(size).bytes(size)
  const manifest = manifestFor(image)
  const verified = await VerifiedImage.open(imageOf(image), manifest)
  const served: Served[] = []
  let confirmed = false
  let chunks = 0

  const serve = async (session: Session) => {
    const meeting: Served = {}
    served.push(meeting)
    const sender = new UpdateSender({
      onEvent: ({ type }) => {
        if (type === 'confirmed') confirmed = true
      },
    })
    const { notifications, onBinary } = sender
    const peer = rpc(session, { serves, calls: otaDeviceApi, notifications, onBinary })
    const state = await peer.request('ota.state', {})
    if (state.state === 'pending' || state.sha256 === manifestHash) return
    const cutting: SenderPeer = {
      request: peer.request.bind(peer) as SenderPeer['request'],
      closed: peer.closed,
      sendBinary: (message, options) => {
        if (++chunks === CUT_AFTER) void session.close()
        return peer.sendBinary(message, options)
      },
    }
    meeting.sent = await sender.send(cutting, { manifest, image: verified })
    await peer.request('ota.apply', { sha256: manifestHash })
  }
  const manifestHash = hexOf(image)
  void (async () => {
    for await (const session of server) serve(session).catch(() => {})
  })()

  const slots = new MemorySlots()
  let running = true
  const faults: unknown[] = []
  let session: Session | undefined
  onTestFinished(async () => {
    running = false
    await session?.close()
  })
  void (async () => {
    while (running) {
      slots.start()
      const restarted = new Promise<void>((restart) => {
        void (async () => {
          const device = await OtaDevice.open({
            product: 'test-sensor',
            chip: 'sim',
            version: '1.0.0',
            keys: [alice.publicKey],
            port: slots,
            restart,
            onFault: (fault) => faults.push(fault),
          })
          let over = false
          void restarted.then(() => {
            over = true
          })
          while (running && !over) {
            session = await connect()
            const peer = rpc(session, {
              serves: otaDeviceApi,
              calls: serves,
              requests: device.requests,
              onBinary: device.onBinary,
            })
            device.onPeer(peer)
            await Promise.race([peer.closed, restarted])
            await session.close()
          }
          device.close()
        })().catch((fault) => faults.push(fault))
      })
      await restarted
    }
  })()

  await until(() => confirmed || faults.length > 0, 'the device is updated', 30_000)
  expect(faults).toEqual([])
  expect(Buffer.compare(slots.runningImage, image)).toBe(0)
  return served
}

/** The transfer was cut once, and went on where it was. */
export function expectResumed(served: readonly Served[], size = 60_000): void {
  const transfers = served.flatMap(({ sent }) => (sent ? [sent] : []))
  expect(transfers).toHaveLength(1)
  const [{ have, sent }] = transfers as [SentUpdate]
  expect(have).toBeGreaterThan(0)
  expect(have % 4096).toBe(0)
  expect(sent).toBeGreaterThanOrEqual(size - have)
}
