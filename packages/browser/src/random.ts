import type { RandomSource } from '@usmp/core'

/** Random bytes of the browser; also there in pages without a secure context. */
export const webRandom: RandomSource = (length) => crypto.getRandomValues(new Uint8Array(length))
