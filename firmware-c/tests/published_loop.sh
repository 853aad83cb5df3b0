#!/bin/sh
# Firmware as the published examples have it (tests/peer/published_loop.c) against our server, over TCP and UDP. With the
# published Python package at the other end: tests/peer/run.sh. usage: published_loop.sh BUILD_DIR
set -u
build=$1
dir=$(mktemp -d)
server=
trap 'kill $server 2>/dev/null; rm -rf "$dir"' EXIT
printf 'a pre-shared key for a test, 32b' > "$dir/psk"

for transport in tcp udp; do
  : > "$dir/server"
  "$build/usmp-peer" --listen $transport:127.0.0.1:0 --psk-file "$dir/psk" --echo > "$dir/server" 2>&1 &
  server=$!
  until grep -q listening "$dir/server"; do sleep 0.1; done
  port=$(sed -n 's/^listening //p' "$dir/server")
  if ! timeout 90 "$build/published-loop" $transport 127.0.0.1 "$port" > "$dir/log" 2>&1; then
    echo "FAILED over $transport"
    cat "$dir/log"
    exit 1
  fi
  kill $server
  wait $server 2>/dev/null
  server=
done
exit 0
