#!/usr/bin/env bash
# Builds examples/bare_qemu; the last line of its output is the path of the image.
source "$(dirname "$0")/common.sh"

libraries
example=$ROOT/examples/bare_qemu
image "$OUT/bare_qemu.elf" -I"$ROOT/ports/bare" "$example/main.c" "$example/text.c" "$ROOT/ports/bare/usmp_serial_client.c" \
  "$BOARD/random.c"
riscv64-unknown-elf-size "$OUT/bare_qemu.elf"
echo "$OUT/bare_qemu.elf"
