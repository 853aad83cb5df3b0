#!/usr/bin/env python3
"""Every chapter of the specification that a comment names is there. usage: citations.py FOLDER..."""

import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
NUMBER = r"(?:[AB]|\d+(?:\.\d+)*)"
CITATION = re.compile(rf"[Ss]pecification,? (?:sections? |appendix )?({NUMBER}(?:(?:, | and |–| to ){NUMBER})*)")
ELSEWHERE = re.compile(r"\bWIRE (?:sections? )?\d")  # a document that is not here
HEADING = re.compile(rf"^#+ (?:Appendix )?({NUMBER})\b", re.MULTILINE)
SUFFIXES = {".c", ".h", ".ts", ".py"}
NOT_OURS = {"node_modules", "dist", "build", ".peers"}


def sources(folder):
    for path in sorted(pathlib.Path(folder).rglob("*")):
        if path.suffix in SUFFIXES and not NOT_OURS & set(path.parts):
            yield path


def wrong_in(path, chapters):
    # A citation may go over the end of a line of a comment.
    text = re.sub(r"\s*\n\s*(?:\*|//|#)?\s*", " ", path.read_text(encoding="utf8", errors="replace"))
    cited = [number for match in CITATION.finditer(text) for number in re.findall(NUMBER, match[1])]
    return [number for number in cited if number not in chapters] + ELSEWHERE.findall(text)


def main():
    chapters = set()
    for page in (ROOT / "docs/spec").glob("*.md"):
        chapters.update(HEADING.findall(page.read_text(encoding="utf8")))
    status = 0
    for folder in sys.argv[1:]:
        for path in sources(folder):
            for number in wrong_in(path, chapters):
                print(f"{path}: the specification has no chapter {number}")
                status = 1
    sys.exit(status)


main()
