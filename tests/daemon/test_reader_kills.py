"""The short version of tests/torture/reader_kills.py: a reader and its queue are killed, and the sum of
what came is exact; and with what protects it taken out, it is not. The seed is printed; RIVULET_SEED
repeats it.
"""

import concurrent.futures
import os
import random
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "torture"))

import reader_kills  # noqa: E402
from harness import program_path  # noqa: E402

SANITIZED = True

SEED = int(os.environ.get("RIVULET_SEED", random.randrange(1, 100000)))
CONTROL_RUNS = 5


def control(name):
    """Runs until the harm is seen: a reader that is killed before it has done anything loses nothing."""
    for i in range(CONTROL_RUNS):
        found = reader_kills.reader_kills(SEED + i, 2, control=name)
        if found.violations:
            break
    return found


RUNS = {
    "kept": lambda: reader_kills.reader_kills(SEED, 6),
    "without_checkpoint": lambda: control("checkpoint"),
    "without_ledger": lambda: control("ledger"),
}


class ReaderKills(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        for name in ("queuereader", "simplequeue"):
            program_path(name)
        cls.pool = concurrent.futures.ThreadPoolExecutor(len(RUNS))
        cls.runs = {name: cls.pool.submit(run) for name, run in RUNS.items()}

    @classmethod
    def tearDownClass(cls):
        cls.pool.shutdown()

    def rules_broken(self, name):
        found = self.runs[name].result()
        print(found, flush=True)
        return found.violations

    def test_a_sum_is_exact_however_often_the_reader_and_its_queue_are_killed(self):
        self.assertEqual(self.rules_broken("kept")[:5], [])

    def control_is_noticed(self, name):
        rules = {text.split(":")[0] for text in self.rules_broken(name)}
        self.assertIn("sum", rules)
        self.assertLessEqual(rules, {"sum", "batch"})

    def test_without_checkpoints_the_same_kills_lose_the_sum(self):
        self.control_is_noticed("without_checkpoint")

    def test_without_the_account_of_messages_some_count_twice(self):
        self.control_is_noticed("without_ledger")


if __name__ == "__main__":
    unittest.main()
