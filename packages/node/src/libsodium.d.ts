/** The bare WebAssembly module of libsodium; crypto-sodium.ts says what is used of it. */
declare module 'libsodium' {
  const create: () => Promise<unknown>
  export default create
}
