#!/usr/bin/env bash
# The shared vectors on rv32imc under QEMU. usage: vectors.sh [psa|lto]
# psa: with mbedTLS instead of BearSSL; lto: optimised at link time, as the smallest images are.
source "$(dirname "$0")/common.sh"

backend=${1:-bearssl}
if [ "$backend" = lto ]; then
  RV32+=(-flto)
  RV32_LINK+=(-flto)
  OUT=$OUT/lto
  mkdir -p "$OUT"
fi
link_image=image
[ "$backend" = psa ] && link_image=image_psa
libraries "${backend/lto/bearssl}"
python3 "$ROOT/tools/vectors_to_c.py" "$ROOT/../vectors" "$OUT/vectors_data.c"
$link_image "$OUT/vectors-$backend.elf" -Wno-overlength-strings -Wl,--defsym=__ram_size=16M -Wl,--defsym=__stack_size=64K \
  -I"$ROOT/tests" -I"$ROOT/tests/cross" -DUSMP_TEST_ITERATIONS=1 "$ROOT/tests/cross/vectors_main.c" "$ROOT/tests/rv32/console.c" \
  "$ROOT/tests/vectors.c" "$OUT/vectors_data.c"
emulate "${QEMU[@]}" -kernel "$OUT/vectors-$backend.elf" </dev/null
