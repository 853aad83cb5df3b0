// For the tests and tools of this repository: the messages of a transfer. Nothing here is promised to anybody; every release may change or
// remove it.
export { CHUNK_HEADER, CHUNK_SIZE, formatChunk, formatRequest, parseTransferMessage } from './transfer-messages.js'
