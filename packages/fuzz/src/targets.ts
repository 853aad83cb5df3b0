import type { Target } from './target.js'
import { differential } from './targets/differential.js'
import { frames } from './targets/frames.js'
import { handshake } from './targets/handshake.js'
import { rpcMessages } from './targets/rpc.js'
import { session } from './targets/session.js'

/** By the names of the list. */
export const targets: Readonly<Record<string, Target>> = { frames, handshake, session, differential, rpc: rpcMessages }
