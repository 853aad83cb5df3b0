#!/usr/bin/env bash
# The shared vectors on an Xtensa lx106 (the ESP8266's core) under QEMU. The ESP32's LX6 is of the same family, with register windows and
# another calling convention; it is not emulated here.
source "$(dirname "$0")/../cross/common.sh"
need xtensa-lx106-elf-gcc "gcc-xtensa-lx106 picolibc-xtensa-lx106-elf" qemu-system-xtensa qemu-system-misc python3 python3

OUT=$BUILD/xtensa
mkdir -p "$OUT"
specs=$(dirname "$(xtensa-lx106-elf-gcc -print-file-name=libc.a)")/picolibc.specs
[ -f "$specs" ] || specs=/usr/lib/xtensa-lx106-elf/picolibc.specs
XTENSA=(xtensa-lx106-elf-gcc -specs="$specs" -mlongcalls -Os -ffunction-sections -fdata-sections)

core "$OUT/usmp" "${XTENSA[@]}"
bearssl "$OUT/bearssl" "${XTENSA[@]}"
python3 "$ROOT/tools/vectors_to_c.py" "$ROOT/../vectors" "$OUT/vectors_data.c"
"${XTENSA[@]}" "${STRICT[@]}" -Wno-overlength-strings -nostartfiles -T "$ROOT/tests/xtensa/sim.ld" -Wl,--gc-sections \
  -I"$ROOT/include" -I"$ROOT/tests" -I"$ROOT/tests/cross" -isystem "$BEARSSL_INCLUDE" \
  "$ROOT/tests/xtensa/start.S" "$ROOT/tests/xtensa/console.c" "$ROOT/tests/xtensa/arithmetic.c" \
  -DUSMP_TEST_ITERATIONS=1 "$ROOT/tests/cross/vectors_main.c" "$ROOT/tests/vectors.c" "$OUT/vectors_data.c" "$ROOT/crypto/bearssl.c" \
  "$OUT"/usmp/*.o "$OUT"/bearssl/*.o -o "$OUT/vectors.elf"
emulate qemu-system-xtensa -M sim -cpu lx106 -display none -serial none -monitor none -semihosting \
  -kernel "$OUT/vectors.elf" </dev/null
