import { auditExportQuery, auditPage, auditQuery, auditVerdict } from '../../contract/audit.js'
import { joinWindow, openJoin } from '../../contract/commands.js'
import { accessList, aclQuery, systemInfo } from '../../contract/system.js'
import type { Operations } from '../../operations.js'
import type { AuditLog } from '../../store/store.js'
import { defined, exportAudit } from '../export.js'
import { type Route, route } from '../route.js'

const DEFAULT_AUDIT_PAGE = 50

/** The join window, the audit log and the gateway itself. */
export function systemRoutes(operations: Operations, audit: AuditLog): Route[] {
  return [
    route({
      method: 'get',
      path: '/api/join',
      id: 'joinWindow',
      summary: 'Whether unknown devices may knock now',
      role: 'viewer',
      answer: { json: joinWindow },
      handle: () => operations.joinWindow(),
    }),
    route({
      method: 'post',
      path: '/api/join',
      id: 'openJoin',
      summary: 'Opens the join window, or changes its end',
      role: 'operator',
      body: openJoin,
      answer: { json: joinWindow },
      errors: ['STORE_FAILED'],
      handle: ({ caller, body }) => operations.openJoin(caller.actor, body),
    }),
    route({
      method: 'delete',
      path: '/api/join',
      id: 'closeJoin',
      summary: 'Closes the join window',
      role: 'operator',
      answer: { json: joinWindow },
      errors: ['STORE_FAILED'],
      handle: ({ caller }) => operations.closeJoin(caller.actor),
    }),
    route({
      method: 'get',
      path: '/api/system',
      id: 'system',
      summary: 'Listeners, broker, store, limits and drops',
      role: 'viewer',
      answer: { json: systemInfo },
      handle: () => operations.system(),
    }),
    route({
      method: 'get',
      path: '/api/acl',
      id: 'brokerAcl',
      summary: 'The access list for the broker, as text for its file',
      role: 'admin',
      query: aclQuery,
      answer: { json: accessList },
      errors: ['WRONG_STATE'],
      handle: ({ query }) => ({ text: operations.brokerAcl(query.broker) }),
    }),
    ...auditRoutes(audit),
  ]
}

/** The audit log names people and addresses, so a viewer does not read it. */
function auditRoutes(audit: AuditLog): Route[] {
  const verify = oneAtATime(() => audit.verify())
  return [
    route({
      method: 'get',
      path: '/api/audit',
      id: 'audit',
      summary: 'A page of the audit log, newest first',
      role: 'operator',
      query: auditQuery,
      answer: { json: auditPage },
      errors: ['STORE_FAILED'],
      handle: async ({ query: { limit = DEFAULT_AUDIT_PAGE, ...query } }) => {
        const entries = await audit.page({ ...defined(query), limit: limit + 1 })
        return { entries: entries.slice(0, limit), more: entries.length > limit }
      },
    }),
    route({
      method: 'get',
      path: '/api/audit/verify',
      id: 'verifyAudit',
      summary: 'Reads the whole audit log and checks its chain of hashes',
      role: 'operator',
      answer: { json: auditVerdict },
      errors: ['STORE_FAILED'],
      handle: verify,
    }),
    route({
      method: 'get',
      path: '/api/audit/export',
      id: 'exportAudit',
      summary: 'The whole audit log as a file, oldest entry first',
      role: 'operator',
      query: auditExportQuery,
      answer: { files: ['text/csv', 'application/jsonl'] },
      errors: ['STORE_FAILED'],
      handle: ({ query }) => exportAudit(audit, query.format),
    }),
  ]
}

/** Who comes while the work is done gets the same answer. */
function oneAtATime<T>(work: () => Promise<T>): () => Promise<T> {
  let running: Promise<T> | null = null
  return () => {
    running ??= work().finally(() => {
      running = null
    })
    return running
  }
}
