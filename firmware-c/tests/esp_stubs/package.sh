#!/usr/bin/env bash
# What the ESP component registry gets: one licence, one version, one name, and examples that stand by themselves. With
# COMPOTE=/path/to/compote (PyPI: idf-component-manager) the archive is made as well, and looked into.
set -eu
root=$(cd "$(dirname "$0")/../.." && pwd)
examples=$root/examples/esp_idf
status=0

wrong() {
  echo "package: $*" >&2
  status=1
}

cmp -s "$root/LICENSE" "$root/../LICENSE" || wrong "firmware-c/LICENSE is not the project's"
version=$(sed -n 's/^version: "\(.*\)"$/\1/p' "$root/idf_component.yml")
macros=$(sed -n 's/^#define USMP_VERSION_\(MAJOR\|MINOR\|PATCH\) //p' "$root/include/usmp.h" | paste -sd.)
[ "$version" = "$macros" ] || wrong "idf_component.yml says version $version, usmp.h $macros"
name=$(sed -n 's/^#   registry name: //p' "$root/idf_component.yml")
for field in url repository license tags targets; do
  grep -q "^$field:" "$root/idf_component.yml" || wrong "idf_component.yml lacks $field"
done

for example in client server ota; do
  folder=$examples/$example
  manifest=$folder/main/idf_component.yml
  grep -q "^  $name:" "$manifest" || wrong "the example $example does not ask for $name"
  grep -q '^    require: "no"' "$manifest" || wrong "the example $example requires the component by a name that its folder does not have"
  path=$(sed -n 's/^ *override_path: \([^ ]*\).*/\1/p' "$manifest" | head -n 1)
  [ "$(cd "$folder/main/$path" && pwd)" = "$root" ] || wrong "the example $example does not find this component"
  ! grep -rn '\.\./' "$folder" --include=CMakeLists.txt --include='*.[ch]' || wrong "the example $example needs what is outside of it"
done
for shared in network.c network.h secret.c secret.h; do
  for example in server ota; do
    cmp -s "$examples/client/main/$shared" "$examples/$example/main/$shared" || wrong "the examples have different $shared"
  done
done

if [ -n "${COMPOTE:-}" ]; then
  out=$(mktemp -d)
  trap 'rm -rf "$out"' EXIT
  "$COMPOTE" component pack --project-dir "$root" --name "${name#*/}" --dest-dir "$out" >"$out/log" 2>&1 || { cat "$out/log" >&2; wrong "not packed"; }
  tar tzf "$out"/*"$version".tgz | sort >"$out/files"
  for file in LICENSE CMakeLists.txt Kconfig include/usmp.h src/record_layer.c ports/esp_idf/include/usmp_esp.h \
    examples/esp_idf/client/main/main.c examples/esp_idf/server/main/idf_component.yml; do
    grep -qx "./$file" "$out/files" || wrong "$file is not in the archive"
  done
  ! grep -E '^\./(tests|rpc|tools|ports/(posix|bare|wasm))/' "$out/files" || wrong "that is not for the registry"
fi
exit $status
