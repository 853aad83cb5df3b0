// For the tests of this repository: sessions with given keys, and the scripts of vectors/. They reach behind the API of the
// core. Nothing here is promised to anybody; every release may change or remove it.
export { cipherOf, connectWith, type FixedSession, keysOf, LoadedRandom, windOn } from './fixed-session.js'
export { openHandler } from './open-handler.js'
export { playScript, type Script, type ScriptParams } from './scripts.js'
