#!/usr/bin/env python3
"""Does what ESP-IDF does with Kconfig files: their defaults, or the values given, as sdkconfig.h and sdkconfig.cmake.

usage: sdkconfig.py OUTPUT_FOLDER KCONFIG... [-- NAME=VALUE...]
"""

import pathlib
import sys

try:
    import kconfiglib
except ImportError:
    sys.exit("missing; install: apt-get install --no-install-recommends python3-kconfiglib")


def main():
    arguments = sys.argv[2:]
    split = arguments.index("--") if "--" in arguments else len(arguments)
    output = pathlib.Path(sys.argv[1])
    output.mkdir(parents=True, exist_ok=True)
    root = output / "Kconfig.all"
    sources = "".join(f'source "{pathlib.Path(path).resolve()}"\n' for path in arguments[:split])
    others = "".join(f'config {name}\n    bool "of ESP-IDF"\n' for name in ("MBEDTLS_THREADING_C", "MBEDTLS_CERTIFICATE_BUNDLE"))
    root.write_text(others + sources)
    config = kconfiglib.Kconfig(str(root))
    for assignment in arguments[split + 1:]:
        name, value = assignment.split("=")
        if not config.syms[name].set_value(value) or config.syms[name].str_value != value:
            sys.exit(f"{name} does not take {value}")
    if config.warnings:
        sys.exit("\n".join(config.warnings))
    config.write_autoconf(str(output / "sdkconfig.h"), header="")
    lines = []
    for symbol in config.unique_defined_syms:
        value = symbol.str_value
        lines.append(f'set(CONFIG_{symbol.name} "{"" if value == "n" else value}")\n')
    (output / "sdkconfig.cmake").write_text("".join(lines))


main()
