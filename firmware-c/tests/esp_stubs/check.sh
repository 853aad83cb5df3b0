#!/usr/bin/env bash
# The ESP-IDF component: compiled for both of the ESP32 family's processors, and run on this machine, all against the headers
# of this folder. One line a check; ends with 1 if one failed.
source "$(dirname "$0")/../cross/common.sh"
build=$ROOT/tests/esp_stubs/build.sh
out=$BUILD/esp_stubs
status=0
mqtt=(USMP_MQTT=y USMP_MQTT_SLOTS=8 MBEDTLS_CERTIFICATE_BUNDLE=y EXAMPLE_MQTT=y EXAMPLE_BROKER_USER=me)
ws=(USMP_WS=y USMP_WS_BUFFER=4096 USMP_CHACHA20_POLY1305=y MBEDTLS_CERTIFICATE_BUNDLE=y EXAMPLE_WS=y)
discovery=(USMP_DISCOVERY=y USMP_DISCOVERY_MDNS=y)
others=(USMP_AES_GCM=n USMP_CHACHA20_POLY1305=y USMP_DATAGRAM=n USMP_SERIAL=y USMP_TX_FRAMES=1 USMP_POOL_SESSIONS=2
  USMP_STEP_MS=3000 USMP_HANDSHAKE_MS=20000 USMP_KEEPALIVE_MS=10000 USMP_IDLE_MS=30000)

check() {
  local name=$1
  shift
  if "$@"; then echo "ok: ESP-IDF component, $name"; else echo "FAILED: ESP-IDF component, $name"; status=1; fi
}

random_hex() {
  python3 -c 'import secrets; print(secrets.token_hex(32))'
}

# The key a server derives for a device from its master secret, by another implementation.
device_key() {
  python3 - "$1" "$2" <<'PYTHON'
import hashlib, hmac, sys
master, mac = map(bytes.fromhex, sys.argv[1:])
prk = hmac.digest(bytes(32), master, hashlib.sha256)
print(hmac.digest(prk, b"usmp-device-psk-v1" + mac + b"\1", hashlib.sha256).hex())
PYTHON
}

free_port() {
  python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}

# wait_for FILE PATTERN: until a line is there, 20 s at most (a handshake has 10).
wait_for() {
  for _ in $(seq 200); do
    grep -q "$2" "$1" && return
    sleep 0.1
  done
  echo "no \"$2\" in:" >&2
  cat "$1" >&2
  return 1
}

# The server and the client example against each other, over loopback: readings come back, and a client with another key
# is turned away. Over UDP a wrong proof may be somebody else's datagram: there the
# handshake runs to its deadline before it is refused.
converse() {
  local kind=$1 master=$2 folder=$out/host-$1 mac=02c0ffee0002 port ok=1 server client stranger
  port=$(free_port)
  local udp=n
  [ "$kind" = udp ] && udp=y
  "$build" host "$folder" EXAMPLE_SERVER=127.0.0.1 EXAMPLE_PORT="$port" EXAMPLE_UDP=$udp || return 1
  : >"$folder/server.log"
  STUB_MAC=02c0ffee0001 STUB_SECRET=$master "$folder/build/server_host" >>"$folder/server.log" &
  server=$!
  wait_for "$folder/server.log" listening || ok=0
  STUB_MAC=$mac STUB_SECRET=$(random_hex) "$folder/build/client_host" >"$folder/stranger.log" &
  stranger=$!
  wait_for "$folder/server.log" 'refused: AUTH_FAILED' || ok=0
  kill $stranger
  : >"$folder/client.log"
  STUB_MAC=$mac STUB_SECRET=$(device_key "$master" $mac) "$folder/build/client_host" >>"$folder/client.log" &
  client=$!
  wait_for "$folder/client.log" 'received: {"uptimeMs":' || ok=0
  kill $client $server
  wait $client $server $stranger 2>/dev/null || true
  [ $ok = 1 ]
}

check "the package" "$ROOT/tests/esp_stubs/package.sh"
for target in rv32 xtensa; do
  check "compiled for $target with the defaults" "$build" $target "$out/$target"
  check "compiled for $target with MQTT" "$build" $target "$out/$target-mqtt" "${mqtt[@]}"
  check "compiled for $target with WebSockets" "$build" $target "$out/$target-ws" "${ws[@]}"
  check "compiled for $target with discovery" "$build" $target "$out/$target-discovery" "${discovery[@]}"
  check "compiled for $target with the other options" "$build" $target "$out/$target-others" "${others[@]}"
done

check "compiled for rv32 with updates, Monocypher" "$build" rv32 "$out/rv32-ota" USMP_OTA=y
check "compiled for xtensa with updates, libsodium" "$build" xtensa "$out/xtensa-ota" USMP_OTA=y USMP_OTA_SODIUM=y

# run_port_test CFLAGS: test_port.c on a chip that the flags describe.
run_port_test() {
  local folder=$out/host-port$1
  CFLAGS=$1 "$build" host "$folder" && timeout 120 "$folder/build/test_port" >"$folder/test.log" 2>&1 && return
  cat "$folder/test.log" >&2
  return 1
}

# The transport over MQTT with a client that this test plays, and sessions over it.
run_mqtt_test() {
  local folder=$out/host-mqtt
  CFLAGS=$1 "$build" host "$folder" USMP_MQTT=y && timeout 120 "$folder/build/test_mqtt_port" >"$folder/test.log" 2>&1 && return
  cat "$folder/test.log" >&2
  return 1
}

# The transport over a WebSocket, in the same way.
run_ws_test() {
  local folder=$out/host-ws
  CFLAGS=$1 "$build" host "$folder" USMP_WS=y USMP_CHACHA20_POLY1305=y &&
    timeout 120 "$folder/build/test_ws_port" >"$folder/test.log" 2>&1 && return
  cat "$folder/test.log" >&2
  return 1
}

# Discovery over this machine's sockets, and by mDNS with a component that this test plays.
run_discovery_test() {
  local folder=$out/host-discovery
  CFLAGS=$1 "$build" host "$folder" "${discovery[@]}" && timeout 60 "$folder/build/test_discovery_port" >"$folder/test.log" 2>&1 && return
  cat "$folder/test.log" >&2
  return 1
}

check "discovery: the UDP query, mDNS" run_discovery_test -fsanitize=address,undefined
check "WebSocket: connection, back pressure, sessions, a relay" run_ws_test -fsanitize=address,undefined
check "MQTT: connection, hints, a session" run_mqtt_test -fsanitize=address,undefined
# The port of updates over partitions that this test plays; built by the check before.
run_ota_test() {
  timeout 120 "$out/host-mqtt/build/test_ota_port"
}

check "updates: app partitions, states of the boot loader, the record in NVS" run_ota_test
check "five ids of five chips, and addresses of peers" run_port_test ""
check "the same without Wi-Fi, as the ESP32-H2" run_port_test -DSTUB_NO_WIFI
check "the same without radio, as the ESP32-P4" run_port_test -DSTUB_NO_RADIO
for kind in tcp udp; do
  check "server and $kind client run here" converse $kind "$(random_hex)"
done
exit $status
