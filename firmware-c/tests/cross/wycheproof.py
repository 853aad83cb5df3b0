#!/usr/bin/env python3
"""Turns Wycheproof's cases of Ed25519 into vectors of the shape of vectors/ota-manifest.json. usage: wycheproof.py INPUT.json OUTPUT.json"""

import json
import pathlib
import sys


def cases(document):
    for group in document["testGroups"]:
        for test in group["tests"]:
            if test["result"] not in ("valid", "invalid"):
                sys.exit(f"case {test['tcId']} is {test['result']}: neither valid nor invalid")
            case = {
                "id": test["tcId"],
                "comment": test["comment"] or "no comment",
                "flags": [],
                "public_key": group["publicKey"]["pk"],
                "message": test["msg"],
                "signature": test["sig"],
                "result": test["result"],
            }
            yield case if test["result"] == "valid" else case | {"error": "BAD_SIGNATURE"}


def main():
    document = json.loads(pathlib.Path(sys.argv[1]).read_text())
    found = list(cases(document))
    if len(found) != document["numberOfTests"] or not found:
        sys.exit("cases are missing")
    vectors = {"topic": "wycheproof", "groups": [{"params": {"op": "verify"}, "tests": found}]}
    pathlib.Path(sys.argv[2]).write_text(json.dumps(vectors, indent=1))
    print(len(found))


main()
