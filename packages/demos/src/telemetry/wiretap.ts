import { createConnection, createServer, type Server, type Socket } from 'node:net'
import { type Frame, FrameDecoder } from '@usmp/core'

/**
 * Stands between device and gateway and passes every byte on, as anybody on the network path can. It sees frames, but no
 * plaintext: it has no key.
 */
export async function startWiretap(
  targetPort: number,
  see: (frame: Frame, fromDevice: boolean) => void,
): Promise<Server> {
  const server = createServer((device) => {
    const gateway = createConnection({ host: '127.0.0.1', port: targetPort })
    pass(device, gateway, (frame) => see(frame, true))
    pass(gateway, device, (frame) => see(frame, false))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return server
}

function pass(from: Socket, to: Socket, see: (frame: Frame) => void): void {
  const decoder = new FrameDecoder()
  from.setNoDelay(true)
  from.on('data', (chunk: Uint8Array) => {
    to.write(chunk)
    for (const frame of decoder.push(chunk)) see(frame)
  })
  from.on('end', () => to.end())
  from.on('error', () => to.destroy())
}
