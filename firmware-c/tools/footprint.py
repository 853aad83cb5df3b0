#!/usr/bin/env python3
"""Sizes of the core: code, bytes per connection, deepest stack. Compiles what it measures.

usage: footprint.py [riscv64-unknown-elf-gcc ...]     (default: every compiler of the list below that is installed)
USMP_MONOCYPHER names a folder with monocypher.c: then Ed25519 is measured too (tests/cross/monocypher_source.sh).

Code is measured as linked: calls are relaxed and what the given entry points do not reach is left out; libc and
crypto are not counted. Stack is the deepest chain of calls within the core, without what the crypto library, the random
source and the application's own functions take.
"""

import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
SOURCES = sorted((ROOT / "src").glob("*.c"))
PICOLIBC = pathlib.Path("/usr/lib/picolibc")

TARGETS = {
    "riscv64-unknown-elf-gcc": ("rv32imc", ["-march=rv32imc", "-mabi=ilp32", "-msave-restore", "-mtune=size", "-mstrict-align",
                                           "-fno-shrink-wrap", "-fno-thread-jumps", "-fno-caller-saves",
                                           "-fno-tree-ch", "-fno-guess-branch-probability"]),
    "arm-none-eabi-gcc": ("Cortex-M4", ["-mcpu=cortex-m4", "-mthumb"]),
    "xtensa-lx106-elf-gcc": ("Xtensa lx106", ["-mlongcalls"]),
    "gcc": ("x86-64", []),
}
INCLUDES = {
    "riscv64-unknown-elf-gcc": PICOLIBC / "riscv64-unknown-elf/include",
    "xtensa-lx106-elf-gcc": PICOLIBC / "xtensa-lx106-elf/include",
}

ALWAYS = [f"usmp_conn_{name}" for name in (
    "receive", "send", "close", "transport_ended", "poll_transmit", "transmitted", "poll_timeout", "handle_timeout",
    "poll_event", "wipe", "ping", "rekey")]
CLIENT = ["usmp_conn_init_client"]
SERVER = ["usmp_conn_init_server"]
EXTRAS = ["usmp_verify_hello_cookie", "usmp_derive_device_psk", "usmp_lockout_holds", "usmp_lockout_failed"]
STREAM_ONLY = ["-DUSMP_WITH_DATAGRAM=0", "-DUSMP_WITH_SERIAL=0"]
BUILDS = [
    ("client, TCP only", CLIENT, STREAM_ONLY),
    ("client, TCP and serial", CLIENT, ["-DUSMP_WITH_DATAGRAM=0"]),
    ("both roles, TCP and serial", CLIENT + SERVER, ["-DUSMP_WITH_DATAGRAM=0"]),
    ("client, TCP, UDP and serial", CLIENT, []),
    ("the same with -flto", CLIENT, ["-flto"]),
    ("both roles, everything", CLIENT + SERVER + EXTRAS, []),
    ("the same with -flto", CLIENT + SERVER + EXTRAS, ["-flto"]),
]

# Signed updates, without JSON-RPC and what the port brings.
OTA = sorted((ROOT / "ota").glob("*.c"))
OTA_ENTRIES = [f"usmp_ota_{name}" for name in (
    "init", "begin_session", "end_session", "receive", "poll", "next_deadline", "self_test_passed", "self_test_failed",
    "restart_wanted", "is_on_trial", "methods")]
ED25519 = [ROOT / "ota/crypto/monocypher.c"]

DISCOVERY = [*sorted((ROOT / "discovery").glob("discovery_*.c")), ROOT / "src/bytes.c"]
ANSWER = [f"usmp_discovery_{name}" for name in ("init_responder", "respond")]
SEARCH = [f"usmp_discovery_{name}" for name in ("init_searcher", "query_due", "query_due_in", "note_answer")]
TXT = [f"usmp_discovery_{name}" for name in ("write_txt", "begin_txt", "read_txt", "end_txt")]
DISCOVERY_BUILDS = [("discovery, answers", ANSWER), ("discovery, searches", SEARCH), ("discovery, both", ANSWER + SEARCH),
                    ("discovery, TXT records", TXT)]

# Calls through pointers that stay inside the core, and inside of the updates.
POINTERS = {
    "usmp_ed25519_verify": ["monocypher.c:verify"],
    "usmp_ed25519_key_is_trustworthy": ["monocypher.c:is_point"],
    "usmp_conn_receive": ["wire_v2_client.c:on_frame", "wire_v2_server.c:on_frame"],
    "connection.c:on_frame": ["wire_v2_client.c:on_frame", "wire_v2_server.c:on_frame"],
    "usmp_conn_init_client": ["wire_v2_client.c:start"],
    "usmp_datagram_on_timeout": ["wire_v2_client.c:answer_other_challenge"],
    "usmp_established_receive": ["usmp_record_layer_open", "usmp_record_layer_accept_rekey"],
    "usmp_tx_queue_sealed": ["usmp_record_layer_seal"],
    "usmp_tx_queue_rekey": ["usmp_record_layer_start_rekey"],
}


def run(*command):
    return subprocess.run([str(part) for part in command], check=True, capture_output=True, text=True).stdout


def monocypher():
    """The folder with its source; nothing where it was not fetched."""
    folder = os.environ.get("USMP_MONOCYPHER")
    return pathlib.Path(folder) if folder else None


def flags_for(compiler):
    flags = ["-std=c11", "-Os", "-ffunction-sections", "-fdata-sections", f"-I{ROOT / 'include'}", *TARGETS[compiler][1]]
    flags += [f"-I{ROOT / 'discovery'}", f"-I{ROOT / 'ota'}", f"-I{ROOT / 'rpc'}", *(["-isystem", str(monocypher())] if monocypher() else [])]
    if compiler in INCLUDES:
        flags += ["-isystem", str(INCLUDES[compiler])]
    return flags


def linked_size(compiler, folder, entries, options, sources=SOURCES):
    """Bytes of code and constants that the entry points need of these sources."""
    libc = folder / "libc.c"
    libc.write_text("#include <stddef.h>\n"
                    "void *memcpy(void *a, const void *b, size_t n) { (void)b, (void)n; return a; }\n"
                    "void *memset(void *a, int b, size_t n) { (void)b, (void)n; return a; }\n"
                    "void *memmove(void *a, const void *b, size_t n) { (void)b, (void)n; return a; }\n"
                    "void *memchr(const void *a, int b, size_t n) { (void)b, (void)n; return (void *)a; }\n"
                    "int memcmp(const void *a, const void *b, size_t n) { (void)a, (void)b, (void)n; return 0; }\n"
                    "void _start(void) {}\n")
    libc_object = folder / "libc.o"
    run(compiler, *flags_for(compiler), "-fno-builtin", "-c", libc, "-o", libc_object)
    program = folder / "program.elf"
    wanted = [f"-Wl,-u,{entry}" for entry in entries]
    common = [*flags_for(compiler), "-nostdlib", "-nostartfiles", "-static", "-Wl,--gc-sections"]

    def size(sources, symbols):
        run(compiler, *common, *options, *symbols, "-o", program, *sources, libc_object, "-lgcc")
        text, data, *_ = run(compiler.replace("gcc", "size") if compiler != "gcc" else "size", program).splitlines()[1].split()
        return int(text) + int(data)

    return size(sources, wanted) - size([], [])


def struct_sizes(compiler, folder):
    source = folder / "sizes.c"
    source.write_text('#include "usmp/connection.h"\n#include "usmp_ota.h"\n#include "usmp_discovery.h"\nchar connection_size[sizeof(usmp_conn_t)];\n'
                      "char record_layer_size[sizeof(usmp_record_layer_t)];\nchar ota_size[sizeof(usmp_ota_t)];\n"
                      "char discovery_responder[sizeof(usmp_discovery_responder_t)];\n"
                      "char discovery_searcher[sizeof(usmp_discovery_searcher_t)];\n")
    run(compiler, *flags_for(compiler), "-c", source, "-o", folder / "sizes.o")
    nm = compiler.replace("gcc", "nm") if compiler != "gcc" else "nm"
    return {line.split()[-1]: int(line.split()[1], 16) for line in run(nm, "-S", folder / "sizes.o").splitlines()}


def call_graph(compiler, folder, sources=SOURCES):
    frames, calls = {}, {}
    for source in sources:
        run(compiler, *flags_for(compiler), "-fcallgraph-info=su", "-c", source, "-o", folder / f"{source.stem}.o")
        text = (folder / f"{source.stem}.ci").read_text()
        names = {}
        for title, label in re.findall(r'node: \{ title: "([^"]+)" label: "([^"]*)"', text):
            name = label.split("\\n")[0]
            static = ":" in title
            key = f"{source.name}:{name}" if static else name
            names[title] = key
            size = re.search(r"(\d+) bytes \(", label)
            if size:
                frames[key] = int(size.group(1))
        for caller, callee in re.findall(r'edge: \{ sourcename: "([^"]+)" targetname: "([^"]+)"', text):
            calls.setdefault(names.get(caller, caller), set()).add(names.get(callee, callee))
    for caller, callees in POINTERS.items():
        calls.setdefault(caller, set()).update(callees)
    return frames, calls


def deepest(name, frames, calls, seen=()):
    if name in seen or name not in frames:
        return 0
    below = max((deepest(callee, frames, calls, seen + (name,)) for callee in calls.get(name, ())), default=0)
    return frames[name] + below


def report(compiler):
    label = TARGETS[compiler][0]
    flags = " ".join(["-Os", *TARGETS[compiler][1]])
    print(f"{label} (gcc {run(compiler, '-dumpfullversion').strip()}, {flags})")
    with tempfile.TemporaryDirectory() as temporary:
        folder = pathlib.Path(temporary)
        if compiler != "xtensa-lx106-elf-gcc":  # its libgcc lacks functions that a link asks for
            for name, entries, options in BUILDS:
                print(f"  code, {name:28} {linked_size(compiler, folder, ALWAYS + entries, options):6} bytes")
        for name, size in struct_sizes(compiler, folder).items():
            print(f"  {name:34} {size:6} bytes")
        frames, calls = call_graph(compiler, folder)
        depths = {name: deepest(name, frames, calls) for name in frames if name.startswith("usmp_conn_")}
        worst = max(depths, key=depths.get)
        print(f"  deepest stack, {worst:19} {depths[worst]:6} bytes")
        report_ota(compiler, folder)
        report_discovery(compiler, folder)


def report_ota(compiler, folder):
    """What updates add. Of Ed25519 what a device calls, without the C library."""
    others = ["-Wl,--unresolved-symbols=ignore-all"]  # the core, JSON-RPC, the C library
    ed25519 = [*ED25519, monocypher() / "monocypher.c"] if monocypher() else []
    if compiler != "xtensa-lx106-elf-gcc":
        print(f"  code, updates                      {linked_size(compiler, folder, OTA_ENTRIES, others, OTA):6} bytes")
        if ed25519:
            size = linked_size(compiler, folder, ["usmp_ota_monocypher"], [*others, "-w"], ed25519)
            print(f"  code, Ed25519 (Monocypher)         {size:6} bytes")
    if ed25519:
        frames, calls = call_graph(compiler, folder, [*OTA, monocypher() / "monocypher.c", ED25519[0]])
        print(f"  deepest stack, ota.offer           {deepest('ota_rpc.c:run_offer', frames, calls):6} bytes")


def report_discovery(compiler, folder):
    """The rules and the messages, without sockets and C library."""
    if compiler == "xtensa-lx106-elf-gcc":
        return
    for name, entries in DISCOVERY_BUILDS:
        size = linked_size(compiler, folder, entries, ["-Wl,--unresolved-symbols=ignore-all"], DISCOVERY)
        print(f"  code, {name:28} {size:6} bytes")


def main():
    compilers = sys.argv[1:] or [name for name in TARGETS if shutil.which(name)]
    for compiler in compilers:
        report(compiler)


main()
