#!/usr/bin/env bash
# The shared vectors on rv32imc under QEMU. usage: vectors.sh [psa]        (with mbedTLS instead of BearSSL)
source "$(dirname "$0")/common.sh"

backend=${1:-bearssl}
link_image=image
[ "$backend" = psa ] && link_image=image_psa
libraries "$backend"
python3 "$ROOT/tools/vectors_to_c.py" "$ROOT/../vectors" "$OUT/vectors_data.c"
$link_image "$OUT/vectors-$backend.elf" -Wno-overlength-strings -Wl,--defsym=__ram_size=16M -Wl,--defsym=__stack_size=64K \
  -I"$ROOT/tests" -I"$ROOT/tests/cross" "$ROOT/tests/cross/vectors_main.c" "$ROOT/tests/rv32/console.c" \
  "$ROOT/tests/vectors.c" "$OUT/vectors_data.c"
timeout 120 "${QEMU[@]}" -kernel "$OUT/vectors-$backend.elf" </dev/null
