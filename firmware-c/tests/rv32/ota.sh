#!/usr/bin/env bash
# Updates on rv32imc under QEMU: vectors of manifests with Monocypher, instructions and stack ("WHAT INSTRUCTIONS STACK" a line).
source "$(dirname "$0")/common.sh"

libraries
json_rpc_headers
monocypher=$("$ROOT/tests/cross/monocypher_source.sh")
vectors=$ROOT/../vectors
objects "$OUT/monocypher" "${RV32[@]}" -w -I"$monocypher" -- "$monocypher/monocypher.c"
python3 "$ROOT/tools/vectors_to_c.py" "$vectors" "$OUT/ota_vectors_data.c" ota-manifest
count=$(grep -c '"id"' "$vectors/ota-manifest.json")
image "$OUT/ota.elf" -Wno-overlength-strings -Wl,--defsym=__ram_size=16M -Wl,--defsym=__stack_size=64K -Wl,-Map="$OUT/ota.map" \
  "${JSON_RPC[@]}" -I"$ROOT/tests" -I"$ROOT/ota" -I"$ROOT/ota/tests" -isystem "$monocypher" -DOTA_VECTOR_COUNT="$count" \
  "$ROOT/tests/rv32/ota_main.c" "$ROOT/ota/tests/ota_vectors.c" "$OUT/ota_vectors_data.c" "$ROOT"/ota/*.c \
  "$ROOT"/ota/crypto/{monocypher,bearssl_hashes}.c "$ROOT"/rpc/*.c "$OUT"/monocypher/*.o -lm
emulate "${QEMU[@]}" -kernel "$OUT/ota.elf" </dev/null | tr -d '\r'
