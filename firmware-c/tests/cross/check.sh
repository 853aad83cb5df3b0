#!/usr/bin/env bash
# The C core on other processors: vectors on rv32imc, Xtensa and WebAssembly, the bare-metal image, the ESP-IDF component.
# Needs nothing but Debian packages; names those that are missing. The last line counts.
source "$(dirname "$0")/common.sh"
need riscv64-unknown-elf-gcc "gcc-riscv64-unknown-elf picolibc-riscv64-unknown-elf" \
  xtensa-lx106-elf-gcc "gcc-xtensa-lx106 picolibc-xtensa-lx106-elf" qemu-system-riscv32 qemu-system-misc \
  qemu-system-xtensa qemu-system-misc clang "clang lld wasi-libc libclang-rt-14-dev-wasm32" cmake cmake make make gcc gcc \
  cargo cargo arm-none-eabi-gcc "gcc-arm-none-eabi libnewlib-arm-none-eabi" python3 python3 node nodejs dpkg-source dpkg-dev xz xz-utils

[ -f /usr/include/sodium.h ] || { echo "missing; install: apt-get install --no-install-recommends libsodium-dev" >&2; exit 3; }
[ -f /usr/include/bearssl.h ] || { echo "missing; install: apt-get install --no-install-recommends libbearssl-dev" >&2; exit 3; }

passed=0
failed=0

# step NAME COMMAND…: shows the end of its output if it fails, and its last line if it does not.
step() {
  local name=$1 log
  shift
  log=$(mktemp)
  if "$@" >"$log" 2>&1; then
    passed=$((passed + 1))
    printf 'ok      %s: %s\n' "$name" "$(tail -n 1 "$log")"
  else
    failed=$((failed + 1))
    printf 'FAILED  %s\n' "$name"
    tail -n 40 "$log"
  fi
  rm -f "$log"
}

wasm_vectors() {
  local module
  module=$("$ROOT/tests/wasm/build.sh" vectors)
  node --no-warnings "$ROOT/tests/wasm/run.mjs" "$module"
}

serial_client() {
  gcc "${STRICT[@]}" -g -fsanitize=address,undefined -fno-sanitize-recover=all -I"$ROOT/include" -I"$ROOT/ports/bare" \
    "$ROOT"/src/*.c "$ROOT/ports/bare/usmp_serial_client.c" "$ROOT/crypto/bearssl.c" "$ROOT/tests/cross/serial_client_test.c" \
    -lbearssl -o "$BUILD/serial_client_test"
  "$BUILD/serial_client_test"
}

# The updates of this machine with both libraries of Ed25519, and Wycheproof's cases.
both_ed25519() {
  local out=$BUILD/ed25519
  cmake -S "$ROOT" -B "$out" -DUSMP_MONOCYPHER="$("$ROOT/tests/cross/monocypher_source.sh")"
  cmake --build "$out" -j2 --target vectors_ota test_ota test_ota_power
  "$out/ota/tests/vectors_ota" && "$out/ota/tests/test_ota" && "$out/ota/tests/test_ota_power"
  "$ROOT/tests/cross/wycheproof.sh" "$out"
}

cortex_m4() {
  objects "$BUILD/cortex-m4" arm-none-eabi-gcc -mcpu=cortex-m4 -mthumb -Os "${STRICT[@]}" -I"$ROOT/include" -I"$ROOT/rpc" -I"$ROOT/ota" \
    -isystem "$("$ROOT/tests/cross/monocypher_source.sh")" -- "$ROOT"/ota/*.c "$ROOT/ota/crypto/monocypher.c"
}

mkdir -p "$BUILD"
step 'line driver of ports/bare, here' serial_client
step 'vectors on rv32imc (QEMU virt), BearSSL' "$ROOT/tests/rv32/vectors.sh"
step 'vectors on rv32imc (QEMU virt), BearSSL, -flto' "$ROOT/tests/rv32/vectors.sh" lto
step 'vectors on rv32imc (QEMU virt), PSA (mbedTLS)' "$ROOT/tests/rv32/vectors.sh" psa
step 'vectors on Xtensa lx106 (QEMU sim)' "$ROOT/tests/xtensa/vectors.sh"
step 'vectors as WebAssembly (Node)' wasm_vectors
step 'updates on rv32imc (QEMU virt), Monocypher: vectors, instructions, stack' "$ROOT/tests/rv32/ota.sh"
step 'updates compiled for Cortex-M4' cortex_m4
step 'updates with Monocypher and libsodium: vectors, tests, Wycheproof' both_ed25519
step 'all tests of this machine with mbedTLS 3.6' "$ROOT/tests/cross/mbedtls36.sh"
step 'engine as WebAssembly' "$ROOT/tests/wasm/build.sh" engine
step 'image examples/bare_qemu' "$ROOT/tests/rv32/build.sh"
step 'image examples/robot' "$ROOT/tests/rv32/robot.sh"
step 'image examples/pair, with lwIP' "$ROOT/tests/rv32/pair.sh"
step 'ESP-IDF component against stub headers' "$ROOT/tests/esp_stubs/check.sh"

echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
