#!/usr/bin/env bash
# The shared vectors, or the engine or the manifests of ports/wasm, as WebAssembly (WASI); prints the path of the module.
# usage: build.sh vectors|engine|manifest
source "$(dirname "$0")/../cross/common.sh"
need clang clang-14 wasm-ld lld-14 python3 python3

OUT=$BUILD/wasm
WASM=(clang --target=wasm32-wasi --sysroot=/usr -Os -ffunction-sections -fdata-sections)
if ! echo 'int main(void) { return 0; }' | "${WASM[@]}" -x c - -o /dev/null 2>/dev/null; then
  echo "clang cannot link for WASI; install: apt-get install --no-install-recommends clang lld wasi-libc libclang-rt-14-dev-wasm32" >&2
  exit 3
fi
mkdir -p "$OUT"
whole_core() {
  core "$OUT/usmp" "${WASM[@]}"
  bearssl "$OUT/bearssl" "${WASM[@]}"
  libraries=("$ROOT/crypto/bearssl.c" "$OUT"/usmp/*.o "$OUT"/bearssl/*.o)
}
case ${1:-} in
  vectors)
    whole_core
    python3 "$ROOT/tools/vectors_to_c.py" "$ROOT/../vectors" "$OUT/vectors_data.c"
    sources=("$ROOT/tests/vectors_main.c" "$ROOT/tests/vectors.c" "$OUT/vectors_data.c" -Wno-overlength-strings)
    ;;
  engine)
    whole_core
    sources=("$ROOT/ports/wasm/usmp_wasm.c" -mexec-model=reactor)
    ;;
  manifest) # of the core its numbers alone, of BearSSL SHA-256
    monocypher=$("$ROOT/tests/cross/monocypher_source.sh")
    BEARSSL_SOURCES=(hash/sha2small hash/sha2big codec/dec32be codec/enc32be codec/dec64be codec/enc64be)
    bearssl "$OUT/hashes" "${WASM[@]}"
    objects "$OUT/monocypher" "${WASM[@]}" -w -- "$monocypher/monocypher.c"
    libraries=("$ROOT/src/bytes.c" "$OUT"/hashes/*.o "$OUT"/monocypher/*.o)
    sources=("$ROOT/ports/wasm/usmp_manifest_wasm.c" -mexec-model=reactor -I"$ROOT/ota" -I"$ROOT/rpc" -isystem "$monocypher"
      "$ROOT"/ota/{manifest,judge,trust_record,ed25519}.c "$ROOT"/ota/crypto/{monocypher,bearssl_hashes}.c)
    ;;
  *)
    echo "usage: build.sh vectors|engine|manifest" >&2
    exit 2
    ;;
esac
"${WASM[@]}" "${STRICT[@]}" -I"$ROOT/include" -I"$ROOT/tests" -isystem "$BEARSSL_INCLUDE" "${sources[@]}" \
  "${libraries[@]}" -Wl,--gc-sections -o "$OUT/$1.wasm"
echo "$OUT/$1.wasm"
