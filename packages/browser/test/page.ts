// What the tests need in a page, as one script.
import * as usmp from '@usmp/browser'
import { MockSerialPort } from './mock-serial-port.ts'

/** A serial port whose other end is wherever a WebSocket leads. */
async function bridgedPort(url: string): Promise<MockSerialPort> {
  const port = new MockSerialPort()
  const bridge = new WebSocket(url)
  bridge.binaryType = 'arraybuffer'
  bridge.onmessage = ({ data }) => port.receive(new Uint8Array(data))
  bridge.onclose = () => port.unplug()
  port.onWrite = (bytes) => bridge.send(bytes as Uint8Array<ArrayBuffer>)
  await new Promise((resolve) => (bridge.onopen = resolve))
  return port
}

export type PageGlobals = typeof globals
const globals = { usmp, bridgedPort }
Object.assign(globalThis, globals)
