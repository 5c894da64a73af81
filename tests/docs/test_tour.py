"""The tour, docs/ARCHITECTURE.md, names what is in the tree: each file, each function, each other
name; it has its parts in order, and each of its pictures has every state."""

import pathlib
import re
import unittest

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
TOUR = ROOT / "docs" / "ARCHITECTURE.md"
PARTS = ["common", "gateway", "admin", "client", "lua", "cmake", "script", "tests", "compose",
         "frontend/src", "bench"]
SOURCES = {".c", ".h", ".lua", ".py", ".ts", ".tsx", ".cmake", ""}
SKIPPED = {"node_modules", "build", "__pycache__"}

HEADINGS = ["Twelve words", "The structs, and who owns whom", "The data path: ten functions",
            "Three state machines", "A connection", "A member", "A room", "The end of a turn",
            "Redis", "Staying alive", "Slow clients, and those that ask for too much",
            "The other programs", "What is ugly, and why"]
# (a heading, the header that has the enum, what its states begin with)
PICTURES = [("A connection", "gateway/conn.h", "enum conn_state", "CONN_"),
            ("A member", "gateway/room.h", "enum member_state", "MEMBER_"),
            ("A room", "gateway/room.h", "#define ROOM_STEPS", "ROOM_STEP_")]

SPAN = re.compile(r"`([^`\n]+)`")
FENCE = re.compile(r"^```\n(.*?)^```$", re.M | re.S)
FILE = re.compile(r"[\w./-]*\w\.(?:c|h|lua|py|cmake|md|yml|json|ts|tsx)\b(?!\()")
FUNCTION = re.compile(r"\b([a-z]\w*)\(\)")
STRUCT = re.compile(r"\b(?:struct|enum) ([a-z]\w*)")
NAME = re.compile(r"\b(?:[a-z][a-z0-9]*(?:_[a-z0-9]+)+_?|[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+)\b")
# At the margin, as clang-format leaves it; or a function of a script.
DEFINITION = r"^(?!typedef\b)[a-z][\w \t*]*?\b%s\([^;{}]*\)\s*\n\{|^local function %s\("


def find_files():
    for part in PARTS:
        for path in sorted((ROOT / part).rglob("*")):
            name = path.relative_to(ROOT)
            if path.is_file() and path.suffix in SOURCES and not SKIPPED & set(name.parts) \
                    and name != pathlib.Path("tests/docs/test_tour.py"):
                yield name.as_posix(), path.read_text(errors="replace")


FILES = dict(find_files())
CODE = {name: text for name, text in FILES.items()
        if name.endswith((".c", ".h", ".lua")) and not name.startswith("tests/")}
ALL_CODE = "\n".join(CODE.values())
ALL_NAMES = set(re.findall(r"\w+", "\n".join(FILES.values())))
BASES = {pathlib.PurePosixPath(name).name for name in FILES}


def what_is_code(text):
    """The spans and the pictures."""
    return SPAN.findall(FENCE.sub("", text)) + FENCE.findall(text)


def is_file(name):
    """A path from the root; a name alone may be of a file in any part."""
    if "/" in name:
        return (ROOT / name).is_file() or any(c in name for c in "*<")
    return name in BASES or (ROOT / name).is_file()


def is_defined(function):
    return re.search(DEFINITION % (function, function), ALL_CODE, re.M)


def has_struct(name):
    return re.search(r"^(?:static )?(?:struct|enum) %s \{" % name, ALL_CODE, re.M)


def find_unknown(text):
    """What the text names, and is not in the tree."""
    unknown = [f"function {name}()" for name in FUNCTION.findall(text) if not is_defined(name)]
    for code in what_is_code(text):
        unknown += [f"file {name}" for name in FILE.findall(code) if not is_file(name)]
        unknown += [f"struct {name}" for name in STRUCT.findall(code) if not has_struct(name)]
        unknown += [f"name {name}" for name in NAME.findall(FILE.sub("", code))
                    if name not in ALL_NAMES]
    for path in SPAN.findall(FENCE.sub("", text)):
        if path.endswith("/") and not (ROOT / path).is_dir():
            unknown.append(f"directory {path}")
    return unknown


def states_of(header, begin, prefix):
    text = CODE[header]
    text = text[text.index(begin):]
    end = re.search(r"\};" if begin.startswith("enum") else r"[^\\]\n", text).end()
    return re.findall(r"\b%s\w+" % prefix, text[:end])


def part_of(text, heading):
    rest = re.split(r"^#+ %s$" % re.escape(heading), text, flags=re.M)[1]
    return re.split(r"^#+ ", rest, flags=re.M)[0]


class Tour(unittest.TestCase):
    def setUp(self):
        self.text = TOUR.read_text()

    def test_each_name_is_in_the_tree(self):
        self.assertEqual(find_unknown(self.text), [])

    def test_a_name_that_is_not_would_be_seen(self):
        for wrong in ["`room_explode()`", "`gateway/bang.c`", "`bang.c`", "`struct bang`",
                      "`MEMBER_BANG`", "`no_such_name`", "`nowhere/`",
                      "```\n +-- room_bang\n```\n"]:
            self.assertTrue(find_unknown(wrong), wrong)

    def test_a_function_is_where_it_is_said_to_be(self):
        places = re.findall(r"`(\w+)\(\)` in `([\w/.]+)`", self.text)
        self.assertGreater(len(places), 10)
        for function, file in places:
            self.assertTrue(re.search(DEFINITION % (function, function), CODE[file], re.M),
                            f"{function} is not in {file}")

    def test_its_parts_are_in_order(self):
        self.assertEqual(re.findall(r"^##+ (.*)$", self.text, re.M), HEADINGS)

    def test_the_glossary_has_twelve_words(self):
        rows = re.findall(r"^\| (\w+) \|", part_of(self.text, "Twelve words"), re.M)
        self.assertEqual(rows.pop(0), "word")
        self.assertEqual(len(rows), 12)

    def test_the_data_path_has_ten_functions(self):
        steps = re.findall(r"^(\d+)\. `\w+\(\)`", part_of(self.text, HEADINGS[2]), re.M)
        self.assertEqual(steps, [str(i) for i in range(1, 11)])

    def test_each_picture_has_every_state(self):
        for heading, header, begin, prefix in PICTURES:
            states = states_of(header, begin, prefix)
            self.assertGreater(len(states), 4, heading)
            picture = "".join(FENCE.findall(part_of(self.text, heading)))
            for state in states:
                self.assertRegex(picture, r"\b%s\b" % state)


if __name__ == "__main__":
    unittest.main()
