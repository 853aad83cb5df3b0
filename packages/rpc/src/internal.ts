// For the tests and tools of this repository: how messages are written, cut and read. Nothing here is promised to anybody;
// every release may change or remove it.
export { formatCall, formatError, formatResult, type Incoming, parseMessage, Refusal } from './envelope.js'
export { formatPiece, Joiner, PIECE_MARK } from './pieces.js'
