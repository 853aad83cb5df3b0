/** A session of a client that runs in MicroPython: Node has the socket and the clock. */
export class MicroPythonSession {
  static open(
    kind: 'tcp' | 'udp',
    host: string,
    port: number,
    deviceId: Uint8Array,
    psk: Uint8Array,
  ): Promise<MicroPythonSession>
  /** `handshake`, `open`, or the code of the end. */
  readonly state: string
  readonly id: string
  exchange(message: Uint8Array): Promise<Buffer>
  ping(): Promise<void>
  /** Says BYE. @returns the code of the end */
  close(): Promise<string>
}
