// Scripts: what happens at one side or at both, step by step. Every expectation is written down by hand where it is used.

import { EXAMPLE } from './example.mjs'
import { ascii, hex, plain, seal } from './lib.mjs'

export const NOTHING = Buffer.alloc(0)
export const text = (words) => ascii(words)

export function sealed(suite, key, type, seq, plaintext = NOTHING) {
  return seal({ suite, key, sessionId: EXAMPLE.sessionId, type, seq, plaintext: Buffer.from(plaintext) })
}

function step(action, side, input, { at = 0, messages = [], sends = [], end = '', refused = '' } = {}) {
  return plain({ do: action, side, at, input, messages, sends, end, refused })
}

export const receive = (side, frame, expected) => step('receive', side, frame, expected)
export const send = (side, message, expected) => step('send', side, message, expected)
export const ping = (side, expected) => step('ping', side, NOTHING, expected)
export const close = (side, expected) => step('close', side, NOTHING, expected)
export const rekey = (side, salt, expected) => step('rekey', side, salt, expected)

export const scriptParams = ({ suite, keys, c2sSeq = 0, s2cSeq = 0 }) => ({
  op: 'script',
  version: 2,
  transport: 'ordered',
  suite,
  session_id: hex(EXAMPLE.sessionId),
  k_c2s: hex(keys.c2s),
  k_s2c: hex(keys.s2c),
  c2s_seq: c2sSeq,
  s2c_seq: s2cSeq,
})
