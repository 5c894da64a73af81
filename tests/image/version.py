#!/usr/bin/python3
"""The version stands in CMakeLists.txt; other files that name it must say the same.

    version.py           exit status 0 if they do
    version.read()       for other checks
"""

import json
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent

# (files, what names the version there, whether it has to)
NAMED = [
    ("CHANGELOG.md", r"\A# Changelog\n(?:(?!## ).*\n)*## \[?([\w.]+)", True),
    ("Dockerfile", r"ARG VERSION=(\S+)", True),
    ("Dockerfile", r"roomcast-\w+:(\d[\w.-]*)", False),
    ("docker-compose.yml", r"image: roomcast\S*:(\S+)", True),
    ("k8s/**/*.yaml", r"newTag: [\"']?([^\"'\s]+)", False),
    ("k8s/**/*.yaml", r"image: \S*roomcast[\w-]*:(\S+)", False),
    ("README.md", r"roomcast-\w+:(\d[\w.-]*)", False),
    ("docs/*.md", r"roomcast-\w+:(\d+\.\d[\w.-]*)", False),
]
PACKAGES = ["frontend/package.json", "frontend/package-lock.json"]


def read():
    text = (ROOT / "CMakeLists.txt").read_text()
    return re.search(r"project\(roomcast VERSION (\S+)", text).group(1)


def disagreements():
    version = read()
    for pattern, words, is_needed in NAMED:
        for path in sorted(ROOT.glob(pattern)):
            found = re.findall(words, path.read_text(), re.M)
            for other in found:
                if other != version:
                    yield f"{path.relative_to(ROOT)}: {other}, not {version}"
            if is_needed and not found:
                yield f"{path.relative_to(ROOT)}: no version"
    for name in PACKAGES:
        other = json.loads((ROOT / name).read_text()).get("version", version)
        if other != version:
            yield f"{name}: {other}, not {version}"


def main():
    wrong = list(disagreements())
    for line in wrong:
        print(line, file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
