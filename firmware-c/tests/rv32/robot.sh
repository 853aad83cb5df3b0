#!/usr/bin/env bash
# Builds the robot for rv32imc; the last line of its output is the path of the image.
source "$(dirname "$0")/common.sh"

JSMN_HEADER=${JSMN_HEADER:-/usr/include/jsmn.h}
[ -f "$JSMN_HEADER" ] || { echo "missing; install: apt-get install --no-install-recommends libjsmn-dev" >&2; exit 3; }
# Copied, because next to it in that folder are the headers of this machine's C library.
mkdir -p "$OUT/jsmn"
cp "$JSMN_HEADER" "$OUT/jsmn/jsmn.h"

libraries
robot=$ROOT/examples/robot
image "$OUT/robolink-robot-rv32.elf" -I"$ROOT/ports/bare" -I"$ROOT/rpc" -isystem "$OUT/jsmn" "$robot/bare.c" "$robot/robot.c" \
  "$robot/robot_session.c" "$ROOT"/rpc/*.c "$ROOT/ports/bare/usmp_serial_client.c" "$BOARD/random.c" -lm
riscv64-unknown-elf-size "$OUT/robolink-robot-rv32.elf"
echo "$OUT/robolink-robot-rv32.elf"
