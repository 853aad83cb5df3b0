#!/usr/bin/env bash
# Builds a boot loader and images of the sensor for rv32imc; the last line of its output is the folder with loader.elf, old.bin, new.bin,
# crashes.bin and mute.bin. usage: updates.sh PUBLISHER_KEY, 64 hex digits, which becomes a part of the images.
source "$(dirname "$0")/common.sh"
need riscv64-unknown-elf-objcopy gcc-riscv64-unknown-elf

out=$OUT/updates
sensor=$ROOT/examples/sensor
mkdir -p "$out"
key=$(echo "$1" | sed 's/../0x&,/g')
monocypher=$("$ROOT/tests/cross/monocypher_source.sh" | tail -n 1)
json_rpc_headers
libraries
objects "$out/monocypher" "${RV32[@]}" -w -- "$monocypher/monocypher.c"
flags=("${STRICT[@]}" -I"$ROOT/include" -I"$BOARD" -I"$ROOT/ota" -I"$ROOT/ota/ports/flash" -I"$ROOT/ota/ports/qemu_virt")
objects "$out/slots" "${RV32[@]}" "${flags[@]}" -I"$ROOT/rpc" -- "$ROOT"/ota/ports/flash/*.c "$ROOT/ota/ports/qemu_virt/board_flash.c"

"${RV32_LINK[@]}" "${flags[@]}" -Wl,--defsym=__ram_size=64K "$ROOT/ota/ports/qemu_virt/loader.c" "$out"/slots/{slot_table,crc32,board_flash}.o \
  "$BOARD/start.S" "$BOARD/board.c" -o "$out/loader.elf"

# What all images share is compiled once.
objects "$out/common" "${RV32[@]}" "${flags[@]}" "${JSON_RPC[@]}" -I"$ROOT/ports/bare" -I"$sensor" -isystem "$monocypher" -isystem "$BEARSSL_INCLUDE" \
  -DSENSOR_OTA -DSENSOR_PUBLISHER_KEY="$key" -DUART_RING_SIZE=8192u -DBOARD_TRAP_RESETS -- \
  "$sensor/bare.c" "$sensor/bare_updates.c" "$sensor/sensor.c" "$ROOT"/rpc/*.c "$ROOT"/ota/*.c "$ROOT/ota/crypto/monocypher.c" \
  "$ROOT/ota/crypto/bearssl_hashes.c" "$ROOT/ports/bare/usmp_serial_client.c" "$BOARD/random.c" "$BOARD/board.c" \
  "$ROOT/crypto/bearssl.c"

# sensor_image NAME MINOR FAULT [FLAGS]
sensor_image() {
  "${RV32_LINK[@]}" "${STRICT[@]}" -Wl,--defsym=__ram_start=0x80010000 -Wl,--defsym=__ram_size=1M -Wl,--defsym=__stack_size=24K -DSENSOR_VERSION_MAJOR=1 \
    -DSENSOR_VERSION_MINOR="$2" -DSENSOR_VERSION_PATCH=0 -DSENSOR_FAULT="$3" ${4:-} "$sensor/image.c" "$out"/{common,slots,monocypher}/*.o \
    "$OUT"/usmp/*.o "$OUT"/bearssl/*.o "$BOARD/start.S" -lm -o "$out/$1.elf"
  riscv64-unknown-elf-objcopy -O binary "$out/$1.elf" "$out/$1.bin"
}
sensor_image old 0 SENSOR_SOUND
sensor_image new 1 SENSOR_SOUND
sensor_image crashes 1 SENSOR_CRASHES
sensor_image mute 1 SENSOR_CANNOT_CONNECT -DSENSOR_CONFIRM_WITHIN_MS=2000
riscv64-unknown-elf-size "$out"/*.elf
echo "$out"
