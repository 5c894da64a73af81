"""Reads a Dockerfile, as far as ours goes: what it does not know it refuses.

    stages = dockerfile.read(path)   {name: Stage}, in the order of the file

Variables (ARG, ENV) are put in where Docker would; in RUN the shell does that.
"""

import dataclasses
import json
import re
import shlex

KNOWN = {
    "FROM", "ARG", "ENV", "WORKDIR", "COPY", "RUN", "USER", "ENTRYPOINT", "CMD",
    "HEALTHCHECK", "EXPOSE", "LABEL",
}  # fmt: skip


class Refused(Exception):
    """What the file says is not understood."""


@dataclasses.dataclass
class Step:
    word: str  # RUN, COPY, …
    text: str  # behind it, one line
    flags: dict = dataclasses.field(default_factory=dict)  # --from=build


@dataclasses.dataclass
class Stage:
    name: str
    base: str  # an image, or the name of a stage before
    steps: list


def lines_of(text):
    """Instructions, each on one line; comments are left out, also between two lines."""
    held = ""
    for line in text.splitlines():
        if line.lstrip().startswith("#"):
            continue
        held += line.rstrip()
        if held.endswith("\\"):
            held = held[:-1]
        elif held.strip():
            yield held.strip()
            held = ""
    if held:
        raise Refused("the file ends within an instruction")


def parse_step(line):
    word, _, text = line.partition(" ")
    word, text, flags = word.upper(), text.strip(), {}
    if word not in KNOWN:
        raise Refused(f"{word}: not known here")
    while word in ("COPY", "HEALTHCHECK", "RUN", "FROM") and text.startswith("--"):
        flag, _, text = text.partition(" ")
        name, _, value = flag[2:].partition("=")
        flags[name] = value
        text = text.strip()
    return Step(word, text, flags)


def read(path):
    stages = {}
    for line in lines_of(path.read_text()):
        step = parse_step(line)
        if step.word == "FROM":
            base, _, name = re.split(r"\s+(AS)\s+", step.text, flags=re.I)
            stages[name] = Stage(name, base, [])
        elif not stages:
            raise Refused(f"{step.word} before the first FROM")
        else:
            list(stages.values())[-1].steps.append(step)
    return stages


def substitute(text, variables):
    """$NAME and ${NAME}; one that nobody has set is refused."""

    def value(match):
        name = match.group(1) or match.group(2)
        if name not in variables:
            raise Refused(f"${name}: nobody sets it")
        return variables[name]

    return re.sub(r"\$(?:(\w+)|\{(\w+)\})", value, text)


def pairs(text, variables):
    """NAME=VALUE NAME="VALUE" …, as of ENV and LABEL."""
    for word in shlex.split(text):
        name, equals, value = word.partition("=")
        if not equals:
            raise Refused(f"{word}: no NAME=VALUE")
        yield name, substitute(value, variables)


def words_of_exec_form(text):
    """["a", "b"]; the other form needs a shell, so it is refused."""
    try:
        words = json.loads(text)
    except ValueError:
        raise Refused(f"{text}: not the exec form, so it needs a shell") from None
    return words
