#!/usr/bin/env bash
# Builds the chip of the matrix for rv32imc; the last line of its output is the path of the image.
source "$(dirname "$0")/common.sh"

libraries
posix=$ROOT/examples/posix
image "$OUT/usmp-peer-rv32.elf" -DUSMP_THREADS=0 -DUSMP_POOL_SIZE=2 -DUART_RING_SIZE=4096u -Wl,--defsym=__stack_size=16K \
  -I"$posix" -I"$ROOT/tests/rv32" "$ROOT/tests/rv32/peer.c" "$ROOT/tests/rv32/board_port.c" "$ROOT/tests/rv32/host.c" \
  "$posix/exchange.c" "$ROOT"/api/*.c "$BOARD/random.c"
riscv64-unknown-elf-size "$OUT/usmp-peer-rv32.elf"
echo "$OUT/usmp-peer-rv32.elf"
