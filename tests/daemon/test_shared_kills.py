"""The short version of tests/torture/shared_kills.py: three readers share a Redis; they, their queue and it
are killed, and what is in it is a plain count's; and where it forgets which messages it has, it is not. The
seed is printed; RIVULET_SEED repeats it.
"""

import concurrent.futures
import os
import random
import shutil
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "torture"))

import shared_kills  # noqa: E402
from harness import program_path  # noqa: E402

SEED = int(os.environ.get("RIVULET_SEED", random.randrange(1, 100000)))
CONTROL_RUNS = 5
SHORT = {"longest": 0.15, "per_second": 3000, "lease": "1s"}


def control():
    """Runs until the harm is seen: a reader that is killed with nothing in hand counts nothing twice."""
    for i in range(CONTROL_RUNS):
        found = shared_kills.shared_kills(SEED + i, 4, control=True, **SHORT)
        if found.violations:
            break
    return found


RUNS = {
    "kept": lambda: shared_kills.shared_kills(SEED, 7, **SHORT),
    "kept_with_checkpoints": lambda: shared_kills.shared_kills(SEED + 1, 5, checkpoints=True, **SHORT),
    "forgetful": control,
}


class SharedKills(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        for name in ("queuereader", "simplequeue"):
            program_path(name)
        if not shutil.which("redis-server"):
            raise unittest.SkipTest("redis-server is not installed")
        cls.pool = concurrent.futures.ThreadPoolExecutor(len(RUNS))
        cls.runs = {name: cls.pool.submit(run) for name, run in RUNS.items()}

    @classmethod
    def tearDownClass(cls):
        cls.pool.shutdown()

    def rules_broken(self, name):
        found = self.runs[name].result()
        print(found, flush=True)
        return found.violations

    def test_histogram_graph_and_moments_of_three_readers_are_exact_whatever_is_killed(self):
        self.assertEqual(self.rules_broken("kept")[:5], [])

    def test_so_they_are_with_checkpoints(self):
        self.assertEqual(self.rules_broken("kept_with_checkpoints")[:5], [])

    def test_a_store_that_forgets_which_messages_it_has_counts_some_twice(self):
        rules = {text.split(":")[0] for text in self.rules_broken("forgetful")}
        self.assertTrue(rules & {"histogram", "graph", "moments"}, rules)
        self.assertLessEqual(rules, {"counts", "histogram", "graph", "top", "moments", "quantiles"})


if __name__ == "__main__":
    unittest.main()
