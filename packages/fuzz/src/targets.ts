import type { Target } from './target.js'
import { frames } from './targets/frames.js'
import { handshake } from './targets/handshake.js'
import { rpcMessages } from './targets/rpc.js'
import { session } from './targets/session.js'
import { twins } from './targets/twins.js'

/** By the names of the list. */
export const targets: Readonly<Record<string, Target>> = { frames, handshake, session, twins, rpc: rpcMessages }
