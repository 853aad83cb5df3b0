#!/usr/bin/env bash
# Builds examples/bare_qemu with and without each suite; prints "VARIANT MAP" for tools/footprint_doc.py.
source "$(dirname "$0")/common.sh"

example=$ROOT/examples/bare_qemu
for variant in both aes chacha; do
  defines=(-DUSMP_WITH_DATAGRAM=0)
  [ $variant = aes ] && defines+=(-DUSMP_WITH_CHACHA20_POLY1305=0)
  [ $variant = chacha ] && defines+=(-DUSMP_WITH_AES_GCM=0)
  core "$OUT/usmp" "${RV32[@]}" "${defines[@]}"
  if [ $variant = both ]; then bearssl "$OUT/bearssl" "${RV32[@]}"; fi
  image "$OUT/size-$variant.elf" "${defines[@]}" -I"$ROOT/ports/bare" -Wl,-Map="$OUT/size-$variant.map" \
    "$example/main.c" "$example/text.c" "$ROOT/ports/bare/usmp_serial_client.c" "$BOARD/random.c"
  echo "$variant $OUT/size-$variant.map"
done
