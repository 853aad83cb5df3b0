import { buildModule, type CModule, instantiate } from './c-engine.js'

/** What firmware-c/ports/wasm/usmp_manifest_wasm.c exports. */
interface Exports {
  readonly memory: { readonly buffer: ArrayBuffer }
  _initialize(): void
  exchange_address(): number
  fields_size(): number
  parse(length: number): number
  set_trust(): void
  judge(length: number, version: number, slotSize: number, today: number): number
}

/** A code of an update, or 0; and what the module wrote if it is 0. */
export interface CVerdict {
  readonly code: number
  readonly fields: Uint8Array
}

/** Compiles the manifests of firmware-c/ota; with a tool chain that is not there the build script says what to install. */
export function buildCManifests(): CModule {
  return buildModule('manifest')
}

/** Manifests of updates as the C devices take them, in this process. */
export class CManifests {
  readonly #exports: Exports

  constructor(module: CModule) {
    this.#exports = instantiate(module, {}) as Exports
    this.#exports._initialize()
  }

  /** @param bytes at most 4096 */
  parse(bytes: Uint8Array): CVerdict {
    this.#put(bytes)
    return this.#verdict(this.#exports.parse(bytes.length))
  }

  /**
   * Judges a manifest by a device of the product and chip that it names.
   * @param trust a record: counter, count of keys, keys, count of revoked ids, ids; so is what comes back
   */
  judge(bytes: Uint8Array, trust: Uint8Array, version: number, slotSize: number): CVerdict {
    this.#put(trust)
    this.#exports.set_trust()
    this.#put(bytes)
    return this.#verdict(this.#exports.judge(bytes.length, version, slotSize, 0))
  }

  #verdict(code: number): CVerdict {
    const { memory, fields_size, exchange_address } = this.#exports
    return { code, fields: new Uint8Array(memory.buffer, exchange_address(), fields_size()).slice() }
  }

  #put(bytes: Uint8Array): void {
    new Uint8Array(this.#exports.memory.buffer, this.#exports.exchange_address(), bytes.length).set(bytes)
  }
}
