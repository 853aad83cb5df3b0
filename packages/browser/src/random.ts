import type { RandomSource } from '@usmp/core'

/**
 * Random bytes of the browser; also there in pages without a secure context. In memory of their own, as they become private
 * keys: small arrays in the heap of V8 are moved, and leave copies behind.
 */
export const webRandom: RandomSource = (length) => crypto.getRandomValues(new Uint8Array(new ArrayBuffer(length)))
