import { UsmpError } from '@usmp/core'
import { type OptionRule, oneOf, period, secretText, type TableOf, text } from '@usmp/core/options'

/** How an MQTT broker is reached. */
export interface BrokerOptions {
  /**
   * `mqtt://host:1883`, `mqtts://host:8883`, `ws://host/path` or `wss://host/path`. It must hold no user name and no password: an
   * address is shown and logged.
   */
  readonly url: string | URL
  readonly username?: string
  /** Read it from a file or the environment: what is typed into a command line is seen by others. */
  readonly password?: string | Uint8Array
  /** Certificates of the authorities to trust instead of the well-known ones, in PEM. */
  readonly ca?: string | Uint8Array
  /** Certificate of this client, in PEM, for brokers that want one; with `key`. */
  readonly cert?: string | Uint8Array
  /** Private key of `cert`, in PEM. */
  readonly key?: string | Uint8Array
  /** `'3.1.1'` (default), which every broker speaks, or `'5'`, where it refuses with a reason and large packets are kept away. */
  readonly protocol?: '3.1.1' | '5'
  /** Default: `usmp-` with the device id or the gateway, and 4 random hex digits. Two clients with one id throw each other out. */
  readonly clientId?: string
  /** ms for each attempt to connect; default 10000. */
  readonly connectTimeout?: number
}

const PROTOCOLS: readonly string[] = ['mqtt:', 'mqtts:', 'ws:', 'wss:']

const url: OptionRule = {
  expected:
    'an address like mqtt://host:1883, mqtts://host, ws://host/path or wss://host/path, without user name and password',
  fits: (value) => {
    const parsed = parse(value)
    return parsed !== undefined && PROTOCOLS.includes(parsed.protocol) && !parsed.username && !parsed.password
  },
  // It may have a password in it.
  secret: true,
  required: true,
}
const pem: OptionRule = { ...secretText, expected: 'PEM, as text or bytes' }

/** Of {@link BrokerOptions}. */
export const brokerTable: TableOf<BrokerOptions> = {
  url,
  username: text,
  password: secretText,
  ca: pem,
  cert: pem,
  key: pem,
  protocol: oneOf('3.1.1', '5'),
  clientId: text,
  connectTimeout: period,
}

/**
 * The address of a broker, after the options were checked.
 * @throws UsmpError INVALID_ARGUMENT if a certificate has no key, or no connection that takes it
 */
export function brokerUrl({ url, cert, key, ca, password, username }: BrokerOptions): URL {
  const parsed = new URL(url)
  const secure = parsed.protocol === 'mqtts:' || parsed.protocol === 'wss:'
  if (!cert !== !key) throw new UsmpError('INVALID_ARGUMENT', 'cert and key of a broker come together')
  if (!secure && (cert || ca)) {
    throw new UsmpError('INVALID_ARGUMENT', `${parsed.protocol}// has no certificates; use mqtts:// or wss://`)
  }
  if (password !== undefined && username === undefined) {
    throw new UsmpError('INVALID_ARGUMENT', 'a password for the broker needs a username')
  }
  return parsed
}

function parse(value: unknown): URL | undefined {
  try {
    return new URL(value as string)
  } catch {
    return undefined
  }
}
