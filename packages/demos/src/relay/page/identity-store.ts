import { wipe } from '@usmp/core'
import { Identity, KnownPeers } from '@usmp/relay'

const DATABASE = 'usmp-relay'
const STORE = 'page'
const LOCK = 'usmp-relay identity'
/** A page that is being left holds the lock a little longer, ms. */
const LOCK_TIMEOUT = 700

/** Why an identity is for this visit only. */
export type VisitReason =
  | 'another tab uses the stored one'
  | 'this browser keeps nothing for this page'
  | 'what this browser has kept cannot be used'

/** Who this page is, and whom it knows. */
export interface PageIdentity {
  readonly identity: Identity
  readonly peers: KnownPeers
  /** Undefined if this browser keeps both. */
  readonly visitOnly: VisitReason | undefined
  /** Keeps the peers, where this browser does. */
  save(): Promise<void>
  /** Forgets everything that this browser keeps for this page. */
  forget(): Promise<void>
}

/**
 * The identity that this browser keeps for this page, made at the first visit. It lies in IndexedDB as it is: every script of this
 * origin can read it, and so can who reads the profile of the browser. One tab at a time has it, as two programs with one identity would
 * push each other off the route; another tab gets one for its visit, and so does a page in a browser that keeps nothing.
 */
export async function openIdentity(): Promise<PageIdentity> {
  if (!(await isAlone())) return forVisit('another tab uses the stored one')
  // Some private windows have no database.
  const database = await openDatabase().catch(() => undefined)
  if (!database) return forVisit('this browser keeps nothing for this page')
  try {
    return await fromDatabase(database)
  } catch {
    // It is left as it is.
    return forVisit('what this browser has kept cannot be used')
  }
}

async function fromDatabase(database: IDBDatabase): Promise<PageIdentity> {
  const kept = await read(database)
  const identity = kept.secret ? Identity.fromSecret(kept.secret) : Identity.generate()
  const peers = kept.peers === undefined ? new KnownPeers() : KnownPeers.parse(kept.peers)
  const save = () => write(database, identity, peers)
  if (kept.secret) wipe(kept.secret)
  else await save()
  return { identity, peers, visitOnly: undefined, save, forget: () => clear(database) }
}

function forVisit(visitOnly: VisitReason): PageIdentity {
  const nothing = async () => {}
  return { identity: Identity.generate(), peers: new KnownPeers(), visitOnly, save: nothing, forget: nothing }
}

/** Whether no other tab has the identity. This one keeps it until it is closed. */
function isAlone(): Promise<boolean> {
  // Not there where the page came without TLS from another machine.
  if (!navigator.locks) return Promise.resolve(true)
  return new Promise((resolve) => {
    const hold = () => new Promise<never>(() => resolve(true))
    navigator.locks.request(LOCK, { signal: AbortSignal.timeout(LOCK_TIMEOUT) }, hold).catch(() => resolve(false))
  })
}

// ─── the database ───

function openDatabase(): Promise<IDBDatabase> {
  const request = indexedDB.open(DATABASE, 1)
  request.onupgradeneeded = () => void request.result.createObjectStore(STORE)
  return settled(request)
}

async function read(database: IDBDatabase): Promise<{ secret: Uint8Array | undefined; peers: string | undefined }> {
  const store = database.transaction(STORE).objectStore(STORE)
  const [secret, peers] = await Promise.all([settled(store.get('secret')), settled(store.get('peers'))])
  return { secret, peers }
}

function write(database: IDBDatabase, identity: Identity, peers: KnownPeers): Promise<void> {
  const transaction = database.transaction(STORE, 'readwrite')
  const store = transaction.objectStore(STORE)
  const secret = identity.exportSecret()
  store.put(secret, 'secret')
  store.put(peers.toString(), 'peers')
  wipe(secret)
  return completed(transaction)
}

function clear(database: IDBDatabase): Promise<void> {
  const transaction = database.transaction(STORE, 'readwrite')
  transaction.objectStore(STORE).clear()
  return completed(transaction)
}

function settled<T>(request: IDBRequest<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result)
    request.onerror = () => reject(request.error)
  })
}

function completed(transaction: IDBTransaction): Promise<void> {
  return new Promise((resolve, reject) => {
    transaction.oncomplete = () => resolve()
    transaction.onabort = () => reject(transaction.error)
  })
}
