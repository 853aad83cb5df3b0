import { parseDeviceId } from '@usmp/core'

/** The key of every device that the server knows; made for each run, handed on in the environment. */
export const psk = new Uint8Array(Buffer.from(process.env.USMP_TORTURE_PSK ?? '', 'hex'))

/** What the first byte of a device id says of its device, and of what the server's application does with its session. */
export const Kind = {
  /** Gets its messages back. */
  GOOD: 0x02,
  /** Holds the key, and abuses it. Gets its messages back. */
  MALICIOUS: 0x06,
  /** The same, and the application sends to it without end. */
  LISTENER: 0x0a,
  /** The same, and the application never reads from it. */
  IGNORED: 0x0e,
  /** Holds the key; the application sends extension frames to it without end. */
  EXTENDED: 0x12,
  /** The application never answers what its key is. */
  HANGING: 0x16,
  /** The application throws when it is asked for its key. */
  THROWING: 0x1a,
  /** The application answers with something that is no key. */
  JUNK: 0x1e,
  /** Not known to the server. */
  STRANGER: 0xee,
} as const
export type Kind = (typeof Kind)[keyof typeof Kind]

/** An extension that the server registers. */
export const EXTENSION = 0x20

export function deviceId(kind: Kind, number: number): Uint8Array {
  const id = Buffer.alloc(6)
  id[0] = kind
  id.writeUInt32BE(number >>> 0, 2)
  return new Uint8Array(id)
}

export function kindOf(id: string): number {
  return parseDeviceId(id)[0]!
}
