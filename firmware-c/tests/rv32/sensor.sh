#!/usr/bin/env bash
# Builds the sensor for rv32imc; the last line of its output is the path of the image.
source "$(dirname "$0")/common.sh"

json_rpc_headers
libraries
sensor=$ROOT/examples/sensor
image "$OUT/usmp-sensor-rv32.elf" "${JSON_RPC[@]}" -I"$ROOT/ports/bare" "$sensor/bare.c" "$sensor/sensor.c" "$ROOT"/rpc/*.c \
  "$ROOT/ports/bare/usmp_serial_client.c" "$BOARD/random.c" -lm
riscv64-unknown-elf-size "$OUT/usmp-sensor-rv32.elf"
echo "$OUT/usmp-sensor-rv32.elf"
