// Attacks with forged source addresses: only in a network namespace of this torture's own.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { encodeFrame, PacketType } from '@usmp/core'
import { deviceId, Kind } from '../identities.js'
import { type Attack, forgedFrame, hello, type TestTarget } from './test-target.js'

const PROGRAM = new URL(import.meta.url.replace(/^(.*)\/(?:src|dist)\/.*$/, '$1/src/hostile/attacks/spoof.py'))

/** Sends `datagrams` again and again; from addresses of 10.0.0.0/8, or from the good clients' own. */
async function spoof(
  target: TestTarget,
  datagrams: readonly Uint8Array[],
  from: readonly number[] = [],
): Promise<void> {
  const pause = target.gentle ? '0.25' : '0'
  const child = spawn('python3', [fileURLToPath(PROGRAM), String(target.udp), pause, from.join(',')], {
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  process.once('exit', () => child.kill('SIGKILL'))
  child.stdin.end(datagrams.map((datagram) => `${Buffer.from(datagram).toString('hex')}\n`).join(''))
  createInterface({ input: child.stdout }).on('line', (line) => (target.sent.packets = Number(line)))
  await once(child, 'exit')
  if (!target.signal.aborted) throw new Error('spoof.py ended')
}

export const spoofedAttacks: readonly Attack[] = [
  {
    name: 'UDP: cookies for forged addresses',
    what: 'HELLOs from random addresses and ports of 10.0.0.0/8',
    spoofs: true,
    run: (target) => spoof(target, [hello(deviceId(Kind.STRANGER, 1)), hello(deviceId(Kind.STRANGER, 2))]),
  },
  {
    name: 'UDP: forged frames of good clients',
    what: 'frames with far numbers, BYEs, HELLOs and acknowledgements from the addresses and ports of open sessions',
    spoofs: true,
    run: (target) => {
      const last = encodeFrame({ type: PacketType.DATA, seq: 0xffffffff, payload: new Uint8Array(60) })
      const bye = encodeFrame({ type: PacketType.BYE, seq: 1, payload: new Uint8Array(28) })
      const acknowledgement = Uint8Array.of(0xac, 0xac, PacketType.DATA, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0)
      const forged = Array.from({ length: 20 }, forgedFrame)
      return spoof(target, [...forged, last, bye, acknowledgement, hello(deviceId(Kind.GOOD, 0))], target.goodUdp)
    },
  },
]
