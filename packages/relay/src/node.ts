export { readIdentityFile, type WriteIdentityOptions, writeIdentityFile } from './node/identity-store.js'
export { readKnownPeers, updateKnownPeers } from './node/known-peers-store.js'
export { nodeDial } from './node-dial.js'
