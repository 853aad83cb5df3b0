#!/bin/sh
# The example of the README compiles as it stands. usage: readme.sh BUILD_DIR
set -eu
here=$(cd "$(dirname "$0")/.." && pwd)
sed -n '/^```c$/,/^```$/p' "$here/README.md" | sed '/^```/d' > "$1/readme.c"
grep -q usmp_connect "$1/readme.c"
"${CC:-cc}" -std=c11 -Wall -Wextra -Werror -I"$here/include" -fsyntax-only "$1/readme.c"
