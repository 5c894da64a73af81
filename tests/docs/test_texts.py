"""What can be checked of the documentation: links lead somewhere, alerts have their sections
and sections their alerts, the change log is in form, and the version is one."""

import datetime
import json
import pathlib
import re
import unittest
import urllib.parse

import yaml

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
LINK = re.compile(r"\[[^\]\[]*(?:\[[^\]]*\]\([^)]*\))?[^\]\[]*\]\(([^)\s]+)\)")
FENCE = re.compile(r"^( *)```.*?^\1```", re.M | re.S)
CODE = re.compile(r"`[^`\n]*`")
CATEGORIES = ["Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"]


def pages():
    for path in sorted(ROOT.rglob("*.md")):
        inside = path.relative_to(ROOT)
        if not inside.parts[0].startswith("build") and "node_modules" not in inside.parts:
            yield path


def without_code(text):
    return CODE.sub("``", FENCE.sub("", text))


def anchors_of(path):
    """The headings as a forge makes anchors of them; the second of a name has -1."""
    found = set()
    for heading in re.findall(r"^#+ +(.*?) *$", FENCE.sub("", path.read_text()), re.M):
        name = re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")
        tries = [name, *(f"{name}-{i}" for i in range(1, 50))]
        found.add(next(each for each in tries if each not in found))
    return found


def why_dead(page, link):
    """None, or why nothing is there."""
    if re.match(r"[a-z]+:", link):
        return None
    path, _, anchor = urllib.parse.unquote(link).partition("#")
    target = (page.parent / path).resolve() if path else page
    if not target.exists():
        return "no such file"
    if not target.is_relative_to(ROOT):
        return "outside"
    if anchor and anchor not in anchors_of(target):
        return "no such heading"
    return None


class Links(unittest.TestCase):
    def test_each_link_leads_to_a_file_and_a_heading(self):
        seen, dead = 0, []
        for page in pages():
            for link in LINK.findall(without_code(page.read_text())):
                seen += 1
                why = why_dead(page, link)
                if why:
                    dead.append(f"{page.relative_to(ROOT)}: {link}: {why}")
        self.assertEqual(dead, [])
        self.assertGreater(seen, 50)

    def test_a_dead_link_would_be_seen(self):
        page = ROOT / "README.md"
        self.assertEqual(why_dead(page, "docs/nothing.md"), "no such file")
        self.assertEqual(why_dead(page, "docs/redis.md#nothing"), "no such heading")
        self.assertEqual(why_dead(page, "../"), "outside")
        self.assertIsNone(why_dead(page, "docs/redis.md#setting-up-redis"))

    def test_the_read_me_names_each_page(self):
        text = (ROOT / "README.md").read_text()
        for page in (ROOT / "docs").glob("*.md"):
            self.assertIn(f"](docs/{page.name})", text)


class Alerts(unittest.TestCase):
    def test_each_has_a_section_and_each_section_an_alert(self):
        groups = yaml.safe_load((ROOT / "monitoring/alerts.yml").read_text())["groups"]
        alerts = [rule["alert"] for group in groups for rule in group["rules"]]
        text = (ROOT / "docs/operations.md").read_text()
        self.assertEqual(re.findall(r"^### (Roomcast\w+)$", text, re.M), alerts)


class Version(unittest.TestCase):
    def setUp(self):
        self.log = (ROOT / "CHANGELOG.md").read_text()
        self.version = re.search(r"project\(roomcast VERSION (\S+)",
                                 (ROOT / "CMakeLists.txt").read_text())[1]

    def releases(self):
        """(version, date or "unreleased"), the newest first."""
        return re.findall(r"^## \[(\S+)\] - (\S+)$", self.log, re.M)

    def test_the_newest_entry_of_the_change_log_is_this_version(self):
        self.assertEqual(self.releases()[0][0], self.version)

    def test_releases_are_in_order_and_only_the_newest_may_be_to_come(self):
        numbers = [[int(n) for n in version.split(".")] for version, _ in self.releases()]
        self.assertEqual(numbers, sorted(numbers, reverse=True))
        dates = [date for _, date in self.releases()]
        if dates[0] == "unreleased":
            dates.pop(0)
        self.assertEqual(dates, sorted(dates, reverse=True))
        for date in dates:
            datetime.date.fromisoformat(date)

    def test_the_change_log_has_no_other_headings(self):
        headings = re.findall(r"^#{2,} .*", self.log, re.M)
        for heading in headings:
            self.assertRegex(heading, r"^(## \[\d+\.\d+\.\d+\] - \S+|### ("
                             + "|".join(CATEGORIES) + "))$")

    def test_no_package_has_a_version_of_its_own(self):
        for path in ROOT.glob("**/package.json"):
            if "node_modules" not in path.parts:
                self.assertEqual(json.loads(path.read_text()).get("version", self.version),
                                 self.version, path)


if __name__ == "__main__":
    unittest.main()
