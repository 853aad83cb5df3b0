#!/usr/bin/env bash
# Builds the robot for rv32imc; the last line of its output is the path of the image.
source "$(dirname "$0")/common.sh"

json_rpc_headers
libraries
robot=$ROOT/examples/robot
image "$OUT/robolink-robot-rv32.elf" "${JSON_RPC[@]}" -I"$ROOT/ports/bare" "$robot/bare.c" "$robot/robot.c" \
  "$robot/robot_session.c" "$ROOT"/rpc/*.c "$ROOT/ports/bare/usmp_serial_client.c" "$BOARD/random.c" -lm
riscv64-unknown-elf-size "$OUT/robolink-robot-rv32.elf"
echo "$OUT/robolink-robot-rv32.elf"
