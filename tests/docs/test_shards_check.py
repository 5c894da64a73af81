"""bench/shards.py --check, which script/test-long runs, lets no loss pass."""
import pathlib
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).parents[2] / "bench"))
import shards

WELL = {"acked": 8000, "longest ack": 0.3, "gone": 0, "twice": 0, "refused": 0,
        "told of loss": 0, "unsaid": 0, "by history": 12}


class Check(unittest.TestCase):
    def test_a_run_without_loss_passes(self):
        self.assertEqual(shards.faults_of(WELL), [])

    def test_whatever_is_lost_doubled_or_refused_fails(self):
        for name in ("gone", "twice", "refused", "told of loss"):
            self.assertEqual(shards.faults_of({**WELL, name: 1}), [f"1 {name}"])

    def test_so_do_a_slow_ack_and_silence(self):
        self.assertEqual(shards.faults_of({**WELL, "longest ack": 1}), ["an ack took 1.00 s"])
        self.assertEqual(shards.faults_of({**WELL, "acked": 0}), ["nothing was acked"])

    def test_what_a_room_has_not_heard_and_its_resets_are_counted(self):
        talk = shards.Talk(1)
        talk.take(0, {"type": "message_ack", "id": "0"})
        talk.take(0, {"type": "message_ack", "id": "1"})
        talk.take(1, {"type": "message", "text": "1"})
        talk.take(0, {"type": "reset"})
        talk.take(1, {"type": "gap"})
        self.assertEqual(talk.missing(), {"0"})
        self.assertEqual(talk.told_of_loss, 2)


if __name__ == "__main__":
    unittest.main()
