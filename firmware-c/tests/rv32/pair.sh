#!/usr/bin/env bash
# Builds examples/pair for rv32imc, with lwIP from Debian's source package; the last line of its output is the path of the image.
source "$(dirname "$0")/common.sh"

# As in examples/pair/CMakeLists.txt: a lost peer is noticed within seconds.
brisk=(-DUSMP_THREADS=0 -DUSMP_POOL_SIZE=2 -DUSMP_IDLE_MS=5000u -DUSMP_KEEPALIVE_MS=1500u -DUSMP_STEP_MS=2000u -DUSMP_HANDSHAKE_MS=4000u)
lwip=$("$ROOT/tests/cross/debian_source.sh" lwip)/src
LWIP=(-I"$BOARD/lwip" -isystem "$lwip/include")
objects "$OUT/lwip" "${RV32[@]}" -w "${LWIP[@]}" -- "$lwip"/core/{def,inet_chksum,init,ip,mem,memp,netif,pbuf,timeouts,udp}.c \
  "$lwip"/core/ipv4/{etharp,icmp,igmp,ip4,ip4_addr}.c "$lwip/netif/ethernet.c"

# The engine has the same times, so it is compiled here and not shared with the other images.
core "$OUT/usmp" "${RV32[@]}" "${brisk[@]}"
bearssl "$OUT/bearssl" "${RV32[@]}"
pair=$ROOT/examples/pair
image "$OUT/usmp-pair-rv32.elf" "${brisk[@]}" "${LWIP[@]}" -Wl,--defsym=__ram_size=512K -Wl,--defsym=__stack_size=16K \
  -Wl,-Map="$OUT/usmp-pair-rv32.map" -I"$ROOT/tests/rv32" -I"$ROOT/ports/lwip" -I"$ROOT/discovery" -I"$ROOT/discovery/lwip" \
  "$pair/bare.c" "$pair/pair.c" "$ROOT"/discovery/*.c "$ROOT/discovery/lwip/discovery_lwip.c" "$ROOT"/ports/lwip/*.c \
  "$BOARD/network.c" "$BOARD/virtio_net.c" "$ROOT/tests/rv32/board_port.c" "$ROOT/tests/rv32/host.c" "$BOARD/random.c" \
  "$ROOT"/api/*.c "$OUT"/lwip/*.o
riscv64-unknown-elf-size "$OUT/usmp-pair-rv32.elf"
echo "$OUT/usmp-pair-rv32.elf"
