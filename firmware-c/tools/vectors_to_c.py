#!/usr/bin/env python3
"""Turns the JSON vectors into one C file, so that they run where there is no file system.

usage: vectors_to_c.py VECTORS_DIR OUTPUT [TOPIC]

Without a topic it takes those of the core. An output that does not end with .c gets the text alone.

The C file holds the cases as text, one "key value" a line; lists are numbered ("steps.0.do receive",
"steps.# 3"), the parameters of a group stand in front of each of its cases, and an empty line ends a case.
"""

import json
import pathlib
import sys


# Topics of parts beside the core; the tests of these parts run them.
OF_OTHER_PARTS = {"discovery", "ota-manifest"}


def flatten(prefix, value):
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from flatten(f"{prefix}.{key}" if prefix else key, inner)
    elif isinstance(value, list):
        yield f"{prefix}.#", str(len(value))
        for index, inner in enumerate(value):
            yield from flatten(f"{prefix}.{index}", inner)
    elif isinstance(value, bool):
        yield prefix, str(int(value))
    else:
        yield prefix, str(value)


def case_lines(topic, params, test):
    fields = dict(flatten("", params))
    fields.update(flatten("", {key: value for key, value in test.items() if key != "flags"}))
    return [f"topic {topic}"] + [f"{key} {value}" for key, value in fields.items()] + [""]


def main():
    vectors, output = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
    wanted = sys.argv[3] if len(sys.argv) > 3 else None
    lines = []
    for path in sorted(vectors.glob("*.json")):
        if path.stem in OF_OTHER_PARTS if wanted is None else path.stem != wanted:
            continue
        document = json.loads(path.read_text())
        for group in document["groups"]:
            for test in group["tests"]:
                lines += case_lines(document["topic"], group["params"], test)
    if not lines:
        sys.exit(f"no vectors in {vectors}")
    if output.suffix != ".c":
        output.write_text("".join(line + "\n" for line in lines))
        return
    with output.open("w") as out:
        out.write("/* Made from vectors/ by tools/vectors_to_c.py. */\n#include \"vectors.h\"\n\n")
        out.write("const char usmp_vectors[] =\n")
        for line in lines:
            out.write(json.dumps(line + "\n", ensure_ascii=False) + "\n")
        out.write(";\n")


main()
