#!/usr/bin/env python3
"""Measures the C core and writes docs/footprint.md between its markers; with --print, to standard output only.

Sizes of the core come from footprint.py, sizes with BearSSL from the linker's map of examples/bare_qemu, instructions
and painted stack from QEMU (tests/rv32/measure.sh).
"""

import os
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
DOCUMENT = ROOT.parent / "docs/footprint.md"
BEGIN, END = "<!-- measured: begin -->", "<!-- measured: end -->"


def run(*command):
    return subprocess.run([str(part) for part in command], check=True, stdout=subprocess.PIPE, text=True).stdout


def table(heads, rows):
    lines = ["| " + " | ".join(heads) + " |", "|---" + "|---:" * (len(heads) - 1) + "|"]
    return "\n".join(lines + ["| " + " | ".join(str(cell) for cell in row) + " |" for row in rows])


def number(value):
    return f"{int(value):,}".replace(",", " ")


# ---- the image, by who brought what ----

PARTS = {"USMP": "/usmp/", "BearSSL": "/bearssl/", "mbedTLS": "/mbedtls/", "C library": ".a("}


def part_of(path):
    return next((part for part, mark in PARTS.items() if mark in path), "board, example, back end")


def sections(map_text):
    """(section, size, file) of everything that was linked."""
    text = map_text.split("Linker script and memory map")[1]
    text = re.sub(r"\n (\.\S+)\n\s+0x", r"\n \1 0x", text)  # long names have a line of their own
    for name, size, path in re.findall(r"^ (\.\S+)\s+0x[0-9a-f]+\s+0x([0-9a-f]+) (\S.*)$", text, re.M):
        yield name, int(size, 16), path


def image_sizes(map_path):
    code, ram = {}, 0
    for name, size, path in sections(pathlib.Path(map_path).read_text()):
        if re.match(r"\.(s?bss|COMMON)", name):
            ram += size
        elif re.match(r"\.(text|s?rodata|s?data)", name):
            code[part_of(path)] = code.get(part_of(path), 0) + size
    return code, ram


def image_table():
    names = {"both": "both suites", "aes": "AES-256-GCM only", "chacha": "ChaCha20-Poly1305 only"}
    parts = ["USMP", "BearSSL", "board, example, back end", "C library"]
    rows = []
    for line in run(ROOT / "tests/rv32/sizes.sh").splitlines():
        variant, path = line.split(" ", 1)
        code, ram = image_sizes(path)
        rows.append([names[variant], *(number(code.get(part, 0)) for part in parts), number(ram)])
    return table(["image", *parts, "static RAM"], rows)


# ---- what QEMU counted ----

OPERATIONS = {"handshake-client": "handshake, client", "handshake-server": "handshake, server"}
SUITES = {"aes": "AES-256-GCM", "chacha": "ChaCha20-Poly1305"}


def title(operation):
    if operation in OPERATIONS:
        return OPERATIONS[operation]
    suite, what, size = operation.split("-")
    return f"{'send' if what == 'seal' else 'receive'} {size} bytes, {SUITES[suite]}"


def measured_tables():
    measured, libraries = {}, {}
    for line in run(ROOT / "tests/rv32/measure.sh").splitlines():
        backend, operation, *values = line.split(maxsplit=3)
        if operation == "map":
            libraries[backend] = image_sizes(values[0])[0]
        else:
            measured.setdefault(operation, {})[backend] = [number(value) for value in values]
    backends = {"bearssl": "BearSSL", "psa": "mbedTLS", "core": "USMP alone"}
    rows = {index: [[title(name), *(of[backend][index] for backend in backends)] for name, of in measured.items()]
            for index in (0, 1)}
    sizes = [[name, number(libraries[backend][name])] for backend, name in backends.items() if name in libraries[backend]]
    return [
        table(["instructions", *backends.values()], rows[0]),
        table(["stack, bytes", *backends.values()], rows[1]),
        table(["crypto library, both suites", "code, bytes"], sizes),
    ]


# ---- updates ----

UPDATES = {
    "verify": "Ed25519: one signature of a manifest",
    "judge": "all checks of a manifest",
    "offer": "`ota.offer`, from JSON to its answer",
    "chunk": "a chunk of 440 bytes, without what the port does",
    "prove-16k": "16 KB of the image read back and hashed",
}


def updates_table():
    lines = [line.split() for line in run(ROOT / "tests/rv32/ota.sh").splitlines()]
    rows = [[UPDATES[words[0]], number(words[1]), number(words[2])] for words in lines if words[0] in UPDATES]
    return table(["updates, with Monocypher and BearSSL", "instructions", "stack, bytes"], rows)


def report():
    os.environ["USMP_MONOCYPHER"] = run(ROOT / "tests/cross/monocypher_source.sh").strip()
    sizes = run(sys.executable, ROOT / "tools/footprint.py").strip()
    return "\n\n".join([
        "## The core alone\n\nBytes, as linked at `-Os`, without crypto library and C library.",
        "```\n" + sizes + "\n```",
        "## A whole image on rv32imc\n\n`examples/bare_qemu`: a client on a serial line. Bytes; static RAM without the stack "
        "(8 KB), with the buffers of one session (3.3 KB) and the UART's (1 KB).",
        image_table(),
        "## Instructions and stack on rv32imc\n\nOne end of a connection, on QEMU under `-icount`. *USMP alone* is the same "
        "with crypto functions that do nothing. The stack is painted, and counts from the caller of the engine on.",
        *measured_tables(),
        "## Signed updates on rv32imc\n\nWhat a device does, on the same machine (`tests/rv32/ota.sh`); the manifest has 220 bytes and a next key.",
        updates_table(),
    ])


def main():
    text = report()
    print(text)
    if "--print" in sys.argv:
        return
    document = DOCUMENT.read_text()
    head, rest = document.split(BEGIN)
    DOCUMENT.write_text(f"{head}{BEGIN}\n\n{text}\n\n{END}{rest.split(END)[1]}")


main()
