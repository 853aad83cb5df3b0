/** Even numbers from 0 up to, and not including, 1; the same for the same seed. */
export function randomNumbers(seed: number): () => number
