#!/usr/bin/env bash
# Prints where the source of a Debian package lies; fetches it the first time. Nothing of it is part of this repository.
# usage: debian_source.sh bearssl|mbedtls|lwip [SUITE]        of another release of Debian than this machine's
# BEARSSL_SOURCE, MBEDTLS_SOURCE: a copy that is there already
source "$(dirname "$0")/common.sh"
need dpkg-source dpkg-dev xz xz-utils

package=$1
suite=${2:-}
given=${package^^}_SOURCE
if [ -z "$suite" ] && [ -n "${!given:-}" ]; then
  echo "${!given}"
  exit
fi
target=$BUILD/third_party/$package$suite
if [ ! -d "$target" ]; then
  work=$(mktemp -d)
  trap 'rm -rf "$work"' EXIT
  cd "$work"
  mkdir -p lists/partial
  # The machine's own list of Debian packages, asked for sources instead of binaries.
  if [ -f /etc/apt/sources.list.d/debian.sources ]; then
    sed 's/^Types:.*/Types: deb-src/' /etc/apt/sources.list.d/debian.sources >debian.sources
    list=$work/debian.sources
  else
    sed -n 's/^deb /deb-src /p' /etc/apt/sources.list >debian.list
    list=$work/debian.list
  fi
  if [ -n "$suite" ]; then # the same server's other release
    uri=$(grep -v '#' "$list" | grep -oE '[a-z]+://[^ ]+' | head -n 1)
    list=$work/other.list
    echo "deb-src [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $uri $suite main" >"$list"
  fi
  options=(-qq -o Dir::Etc::sourceparts=/dev/null -o Dir::Etc::sourcelist="$list" -o Dir::State::lists="$work/lists"
    -o APT::Sandbox::User=)
  apt-get "${options[@]}" update >&2
  apt-get "${options[@]}" source --download-only "$package" >&2
  dpkg-source --no-check -x "$package"_*.dsc source >&2
  mkdir -p "$(dirname "$target")"
  mv source "$target"
fi
echo "$target"
