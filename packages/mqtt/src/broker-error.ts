import { UsmpError } from '@usmp/core'
import { certificateError } from '@usmp/node/adapters'

type Fault = readonly [code: 'BROKER_REFUSED' | 'UNREACHABLE', detail: string, hint: string]

const LOGIN: Fault = [
  'BROKER_REFUSED',
  'user name or password is wrong',
  'Check both, and that the broker knows this user. mosquitto reads its password file at start and on SIGHUP.',
]
const NOT_ALLOWED: Fault = [
  'BROKER_REFUSED',
  'it lets in nobody without user name and password, or not this user',
  'Give a user name and password, and allow the user on the broker.',
]
const VERSION: Fault = [
  'BROKER_REFUSED',
  'it does not speak this version of MQTT',
  'Leave out the option protocol: 3.1.1 is spoken by every broker.',
]
const CLIENT_ID: Fault = [
  'BROKER_REFUSED',
  'it does not take the client id',
  'Choose another one by the option clientId.',
]
const BUSY: Fault = ['UNREACHABLE', 'it is not available now', 'Look into the log of the broker. It is tried again.']

/** Codes of CONNACK: those of MQTT 3.1.1 (1 to 5) and of MQTT 5 (from 128). */
const CONNACK: Readonly<Record<number, Fault>> = {
  1: VERSION,
  2: CLIENT_ID,
  3: BUSY,
  4: LOGIN,
  5: NOT_ALLOWED,
  132: VERSION,
  133: CLIENT_ID,
  134: LOGIN,
  135: NOT_ALLOWED,
  136: BUSY,
  137: BUSY,
  138: NOT_ALLOWED,
  140: NOT_ALLOWED,
}

const NO_TLS: Fault = [
  'UNREACHABLE',
  'it does not speak TLS there',
  'Is the port right? mqtts is mostly on 8883, mqtt without TLS on 1883.',
]
const CLIENT_CERTIFICATE: Fault = [
  'BROKER_REFUSED',
  'it does not accept the client certificate, or wants one',
  'Give a certificate and its key that an authority of the broker has signed.',
]
const TLS_HINT = 'Is it an MQTT broker? Use mqtts:// or wss:// for a port with TLS, mqtt:// or ws:// for one without.'
const SILENT: Fault = ['UNREACHABLE', 'it took the connection and did not answer', TLS_HINT]
const CLOSED_EARLY: Fault = ['UNREACHABLE', 'it closed the connection before it answered', TLS_HINT]

/** Why a connection to the broker did not come about, for people. */
export function brokerError(url: URL, cause: unknown): UsmpError {
  const certificate = certificateError(url, cause)
  if (certificate) return certificate
  const fault = faultOf(cause)
  if (fault) return new UsmpError(fault[0], `${url}: ${fault[1]}`, { cause, hint: fault[2] })
  return new UsmpError('UNREACHABLE', `${url}: ${messageOf(cause)}`, {
    cause,
    hint: 'Is the broker running, and are host, port and firewall right?',
  })
}

/** The broker ended a connection without a word, before it let us in. */
export function closedEarly(url: URL): UsmpError {
  return new UsmpError(CLOSED_EARLY[0], `${url}: ${CLOSED_EARLY[1]}`, { hint: CLOSED_EARLY[2] })
}

/** A connection to the broker that was good has ended. */
export function connectionLost(url: URL, cause?: unknown): UsmpError {
  const detail = cause === undefined ? 'it ended the connection' : messageOf(cause)
  return new UsmpError('TRANSPORT_FAILED', `${url}: ${detail}`, {
    cause,
    hint: 'It is tried again. If it happens often: does another client use the same client id?',
  })
}

/** The broker does not let this client hear a topic. */
export function subscriptionRefused(url: URL, topic: string, cause?: unknown): UsmpError {
  return new UsmpError('BROKER_REFUSED', `${url}: it does not allow this client to subscribe to ${topic}`, {
    cause,
    hint: 'The access list of the broker forbids it: `usmp gateway acl` writes one that fits.',
  })
}

function faultOf(cause: unknown): Fault | undefined {
  const { code, message = '' } = (cause ?? {}) as { readonly code?: unknown; readonly message?: string }
  if (typeof code === 'number') return CONNACK[code]
  const text = `${code} ${message}`
  if (/ALERT.*CERTIFICATE|ALERT_UNKNOWN_CA|alert unknown ca|alert certificate/i.test(text)) return CLIENT_CERTIFICATE
  if (/WRONG_VERSION_NUMBER|EPROTO|packet length too long/i.test(text)) return NO_TLS
  if (/connack timeout/i.test(text)) return SILENT
  if (code === 'ECONNRESET' || code === 'EPIPE') return CLOSED_EARLY
  return undefined
}

/** Node puts the faults of all addresses of a name into one error without a message. */
function messageOf(cause: unknown): string {
  const error = cause instanceof AggregateError ? cause.errors[0] : cause
  return error instanceof Error ? error.message : String(error)
}
