#!/usr/bin/env bash
# The shared vectors, or the engine of ports/wasm, as WebAssembly (WASI); prints the path of the module.
# usage: build.sh vectors|engine
source "$(dirname "$0")/../cross/common.sh"
need clang clang-14 wasm-ld lld-14 python3 python3

OUT=$BUILD/wasm
WASM=(clang --target=wasm32-wasi --sysroot=/usr -Os -ffunction-sections -fdata-sections)
if ! echo 'int main(void) { return 0; }' | "${WASM[@]}" -x c - -o /dev/null 2>/dev/null; then
  echo "clang cannot link for WASI; install: apt-get install --no-install-recommends clang lld wasi-libc libclang-rt-14-dev-wasm32" >&2
  exit 3
fi
mkdir -p "$OUT"
core "$OUT/usmp" "${WASM[@]}"
bearssl "$OUT/bearssl" "${WASM[@]}"
case ${1:-} in
  vectors)
    python3 "$ROOT/tools/vectors_to_c.py" "$ROOT/../vectors" "$OUT/vectors_data.c"
    sources=("$ROOT/tests/vectors_main.c" "$ROOT/tests/vectors.c" "$OUT/vectors_data.c" -Wno-overlength-strings)
    ;;
  engine) sources=("$ROOT/ports/wasm/usmp_wasm.c" -mexec-model=reactor) ;;
  *)
    echo "usage: build.sh vectors|engine" >&2
    exit 2
    ;;
esac
"${WASM[@]}" "${STRICT[@]}" -I"$ROOT/include" -I"$ROOT/tests" -isystem "$BEARSSL_INCLUDE" "${sources[@]}" \
  "$ROOT/crypto/bearssl.c" -Wl,--gc-sections "$OUT"/usmp/*.o "$OUT"/bearssl/*.o -o "$OUT/$1.wasm"
echo "$OUT/$1.wasm"
