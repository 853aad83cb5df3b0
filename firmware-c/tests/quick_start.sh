#!/bin/sh
# The quick-start program against a server that is restarted: it must greet, notice the loss, and greet again.
# usage: quick_start.sh BUILD_DIR
set -u
build=$1
dir=$(mktemp -d)
port=$((20000 + $$ % 20000))
trap 'kill $server $program 2>/dev/null; rm -rf "$dir"' EXIT
printf 'usmp-dev-psk-change-me-before-prod' > "$dir/psk"

serve() {
  "$build/usmp-peer" --listen tcp:127.0.0.1:$port --psk-file "$dir/psk" --echo > "$dir/server" 2>&1 &
  server=$!
  until grep -q listening "$dir/server"; do sleep 0.1; done
}

replies() { # COUNT: waits up to 20 s for so many
  for _ in $(seq 200); do
    [ "$(grep -c 'reply: hello encrypted world' "$dir/program")" -ge "$1" ] && return 0
    sleep 0.1
  done
  cat "$dir/program"
  return 1
}

serve
"$build/quick-start" 127.0.0.1 $port 60 > "$dir/program" 2>&1 &
program=$!
replies 1 || exit 1
kill $server
wait $server 2>/dev/null
serve
replies 2
