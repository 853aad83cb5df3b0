#!/bin/sh
# The examples of the READMEs compile as they stand. usage: readme.sh BUILD_DIR
set -eu
here=$(cd "$(dirname "$0")/.." && pwd)
for page in README.md rpc/README.md; do
  sed -n '/^```c$/,/^```$/p' "$here/$page" | sed '/^```/d' > "$1/readme.c"
  grep -q usmp_ "$1/readme.c"
  "${CC:-cc}" -std=c11 -Wall -Wextra -Werror -I"$here/include" -I"$here/rpc" -fsyntax-only "$1/readme.c"
done
