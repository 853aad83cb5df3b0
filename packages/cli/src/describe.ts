import type { Session, UsmpError } from '@usmp/core'
import type { Fields } from './output.js'

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
