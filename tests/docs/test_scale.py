"""docs/scale.md and bench/fleet_model.py are of one mind: the page has what the program prints, what it
takes from other pages is on them, and its sums behave."""

import importlib.util
import math
import pathlib
import unittest

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
PAGE = ROOT / "docs" / "scale.md"

spec = importlib.util.spec_from_file_location("fleet_model", ROOT / "bench" / "fleet_model.py")
model = importlib.util.module_from_spec(spec)
spec.loader.exec_module(model)


class Scale(unittest.TestCase):
    def test_the_page_has_what_the_program_prints(self):
        text = PAGE.read_text()
        self.assertEqual(text, model.page_with(text, model.render(model.DEFAULT)),
                         "run bench/fleet_model.py --write")

    def test_what_is_taken_from_other_pages_is_on_them(self):
        for name, unit in model.UNITS.items():
            if unit.source.startswith("`"):
                continue
            self.assertTrue((ROOT / unit.source).is_file(), name)
            if unit.source.startswith("docs/"):
                self.assertTrue(unit.words, name)
                self.assertIn(unit.words, (ROOT / unit.source).read_text(), name)

    def test_more_of_anything_never_needs_less(self):
        less = model.plan(model.DEFAULT)
        for field in ("connections", "messages", "history"):
            more = model.plan(model.DEFAULT._replace(**{field: 3 * getattr(model.DEFAULT, field)}))
            for name in ("busy", "recovery", "back", "memory", "gateway_cores", "gateway_bytes"):
                self.assertGreaterEqual(getattr(more, name), getattr(less, name), f"{field}: {name}")

    def test_more_masters_help(self):
        plans = [model.plan(model.DEFAULT._replace(masters=2 ** n)) for n in range(11)]
        for few, many in zip(plans, plans[1:]):
            self.assertLess(many.busy, few.busy)
            self.assertLessEqual(many.recovery, few.recovery)
        self.assertEqual(plans[0].recovery, math.inf) # one master is too busy to get over anything

    def test_members_are_on_no_more_gateways_than_there_are(self):
        self.assertAlmostEqual(model.spread(1, 50), 1)
        self.assertAlmostEqual(model.spread(10, 1), 1)
        self.assertLess(model.spread(1000, 50), 50.001)
        self.assertLess(model.spread(10, 50), 10)

    def test_what_breaks_first_stands_first(self):
        counts = [text.replace(",", "") for _, text in model.limits(model.DEFAULT)]
        self.assertEqual(counts, sorted(counts, key=lambda text: -int(text)))

    def test_an_idle_fleet_and_a_single_gateway_can_be_asked_for(self):
        tiny = model.DEFAULT._replace(connections=1, rooms=1, messages=0, processes=1, workers=1,
                                      history=0, masters=1)
        self.assertIn("| connections | 1 |", model.render(tiny))


if __name__ == "__main__":
    unittest.main()
