#!/bin/sh
# Cross-play with the published Python package, both roles, TCP and UDP, both suites, and C with C.
# usage: USMP_PEER_PYTHON=/path/to/python run.sh BUILD_DIR     (that python has the package usmp 1.2.2)
set -u
build=$1
here=$(dirname "$0")
python=${USMP_PEER_PYTHON:?the python interpreter that has the package usmp}
dir=$(mktemp -d)
pids=
passed=0
failed=0
trap 'for p in $pids; do kill "$p" 2>/dev/null; done; rm -rf "$dir"' EXIT

printf 'a pre-shared key for a test, 32b' > "$dir/psk"
port=$((20000 + $$ % 20000))

result() { # NAME STATUS
  if [ "$2" -eq 0 ]; then passed=$((passed + 1)); else failed=$((failed + 1)); fi
  if [ "$2" -eq 0 ]; then echo "ok      $1"; else echo "FAILED  $1"; sed 's/^/        /' "$dir/log"; fi
}

wait_for_port() { # TRANSPORT PORT: until a server is there, a minute at most (Linux tells which sockets are bound)
  hex=$(printf ':%04X ' "$2")
  for _ in $(seq 600); do
    grep -q "$hex" "/proc/net/$1" && return
    sleep 0.1
  done
}

start() { "$@" > "$dir/server" 2>&1 & pids="$pids $!"; server=$!; }

for transport in tcp udp; do
  for suite in aes chacha; do
    port=$((port + 1))
    start "$python" "$here/python_peer.py" server $transport $port $suite "$dir/psk"
    wait_for_port $transport $port
    for binary in usmp-peer usmp-peer-bearssl; do
      for size in 0 452 1808; do
        timeout 60 "$build/$binary" --connect $transport:127.0.0.1:$port --psk-file "$dir/psk" --suite $suite \
          --exchange 20 --sizes $size --ping --rekey-every 8 > "$dir/log" 2>&1
        result "$binary to the Python server, $transport, $suite, $size bytes" $?
      done
    done
    kill "$server"

    port=$((port + 1))
    start "$build/usmp-peer" --listen $transport:127.0.0.1:$port --psk-file "$dir/psk" --suite $suite --echo
    wait_for_port $transport $port
    timeout 60 "$python" "$here/python_peer.py" client $transport $port $suite "$dir/psk" > "$dir/log" 2>&1
    result "Python client to usmp-peer, $transport, $suite" $?
    timeout 60 "$build/usmp-peer-bearssl" --connect $transport:127.0.0.1:$port --psk-file "$dir/psk" --suite $suite \
      --exchange 50 --sizes 1000 --rekey-every 10 --ping > "$dir/log" 2>&1
    result "usmp-peer-bearssl to usmp-peer, $transport, $suite" $?
    kill "$server"
  done
done

# Firmware as the published examples have it: idle for two keepalives, then bursts.
for transport in tcp udp; do
  port=$((port + 1))
  start "$python" "$here/python_peer.py" server $transport $port aes "$dir/psk"
  wait_for_port $transport $port
  timeout 90 "$build/published-loop" $transport 127.0.0.1 $port > "$dir/log" 2>&1
  result "the main loop of the published examples with the Python server, $transport" $?
  kill "$server"
done

# A wrong PSK is refused, and says so nowhere on the wire.
port=$((port + 1))
printf 'another key, as long as the first' > "$dir/other"
start "$python" "$here/python_peer.py" server tcp $port aes "$dir/psk"
wait_for_port tcp $port
timeout 20 "$build/usmp-peer" --connect tcp:127.0.0.1:$port --psk-file "$dir/other" --exchange 1 > "$dir/log" 2>&1
grep -q 'failed HANDSHAKE_REFUSED' "$dir/log"
result "the Python server refuses a wrong PSK" $?

echo "peer: $passed passed, $failed failed"
[ "$failed" -eq 0 ]
