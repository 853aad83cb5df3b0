import { CipherSuite, type Session, type UsmpError } from '@usmp/core'
import type { Fields } from './output.js'

const suiteNames: Readonly<Record<CipherSuite, string>> = {
  [CipherSuite.AES_256_GCM]: 'AES-256-GCM',
  [CipherSuite.CHACHA20_POLY1305]: 'ChaCha20-Poly1305',
}

export function suiteName(suite: CipherSuite): string {
  return suiteNames[suite]
}

/** What JSON says about a session. */
export function sessionFields(session: Session): Fields {
  return { device_id: session.deviceId, session_id: session.sessionId }
}

/** What JSON says about an error that did not end the command. */
export function errorFields({ code, message, hint }: UsmpError): Fields {
  return { code, message, hint }
}

/** Why a session ended, in a few words. */
export function endOf(reason: UsmpError): string {
  return reason.code === 'CLOSED' ? reason.message : `${reason.message} [${reason.code}]`
}
