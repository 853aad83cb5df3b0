// For the tests and tools of this repository: how messages are written, cut and read. Nothing here is promised to anybody;
// every release may change or remove it.
export { CHUNK_MARK, ChunkAssembler, formatChunk } from './chunks.js'
export { formatCall, formatError, formatResult, type Incoming, parseMessage, RejectedMessage } from './envelope.js'
