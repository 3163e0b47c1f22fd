"""Short versions of the bridges' tests in tests/torture, what `make soak` does for minutes: a bridge's
network, source, destination and disk fail, and all of them are killed; what the source has is at the
destination in the end. The seed is printed; RIVULET_SEED repeats it.

The runs wait most of their time, so they go on beside each other; the tests look at what each found.
First the judge is judged, by histories and by a network that loses and doubles what nobody can notice.
"""

import concurrent.futures
import os
import random
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "torture"))

import bridge_backlog  # noqa: E402
import bridge_faults  # noqa: E402
import bridge_kills  # noqa: E402
import netns  # noqa: E402
from bridge_rig import Found, Numbers, judge  # noqa: E402
from harness import program_path  # noqa: E402

SEED = int(os.environ.get("RIVULET_SEED", random.randrange(1, 100000)))
# The longest first.
RUNS = {
    "kills_offset_file": lambda: bridge_kills.bridge_kills(SEED, 15, "offset-file"),
    "soak": lambda: bridge_kills.soak(SEED, 50000, 2.5, 0.5),
    "partitions": lambda: netns.partitions(SEED, 3, 0.2, 0.5),
    "destination_restarts": lambda: bridge_faults.destination_restarts(SEED, 6, every=0.6),
    "kills_spool": lambda: bridge_kills.bridge_kills(SEED, 15, "spool"),
    "source_restarts": lambda: bridge_faults.source_restarts(SEED, 4, every=0.6),
    "disk_full": lambda: bridge_backlog.disk_full(SEED, 5000, full=0.4, heals=2),
    "refusals": lambda: bridge_faults.refusals(SEED, 3000, down=0.6),
    "cuts": lambda: bridge_faults.cuts(SEED, 3000, batch=50),
    "round_robin": lambda: bridge_faults.round_robin(SEED, 3000),
    "restarts": lambda: bridge_kills.bridge_restarts(SEED, 10, "both"),
    "restarts_offset_file": lambda: bridge_kills.bridge_restarts(SEED, 10, "offset-file"),
    "one_down": lambda: bridge_backlog.one_down(SEED, 4000, down=1.0),
    "back_pressure": lambda: bridge_backlog.back_pressure(SEED, 4000),
    "back_pressure_spool": lambda: bridge_backlog.back_pressure(SEED, 4000, spooled=True),
    "cuts_four_in_flight": lambda: bridge_faults.cuts(SEED, 3000, max_in_flight=4, batch=50),
    "cuts_of_long_messages": lambda: bridge_faults.cuts(SEED, 200, most=150000, batch=50),
    "drop_oldest": lambda: bridge_backlog.drop_oldest(SEED, 5000),
    "swallow": lambda: bridge_faults.control(SEED, "swallow"),
    "double": lambda: bridge_faults.control(SEED, "double"),
}
AT_ONCE = 7


class Arrived:
    """What judge() reads of a queue."""

    def __init__(self, *arrived, unexpected=()):
        self.arrived, self.unexpected = list(arrived), list(unexpected)


class TheJudge(unittest.TestCase):
    """Histories by hand; what is wrong with each follows from the promise alone."""

    def rules(self, sent, queue, most_duplicates=0, **more):
        found = Found("judge", 1)
        judge(found, sent, queue, most_duplicates, **more)
        return sorted({text.split(":")[0] for text in found.violations})

    def test_finds_nothing_where_all_arrived(self):
        self.assertEqual(self.rules([0, 1, 2], Arrived(0, 1, 2), in_order=0), [])
        self.assertEqual(self.rules([0, 1, 2], Arrived(0, 1, 0, 1, 2), 2, in_order=1), [])
        self.assertEqual(self.rules([0, 1, 2], Arrived(0, 2), without=[1], in_order=0), [])

    def test_misses_a_message(self):
        self.assertEqual(self.rules([0, 1, 2], Arrived(0, 2)), ["missing"])
        self.assertEqual(self.rules([0, 1], Arrived()), ["missing"])

    def test_notices_what_the_source_never_had(self):
        self.assertEqual(self.rules([0, 1], Arrived(0, 1, 2)), ["unexpected"])
        self.assertEqual(self.rules([0], Arrived(0, unexpected=[b"?"])), ["unexpected"])
        self.assertEqual(self.rules([0, 1], Arrived(0, 1), without=[1]), ["unexpected"])

    def test_counts_duplicates_against_failures(self):
        self.assertEqual(self.rules([0, 1], Arrived(0, 1, 1), 0), ["duplicates"])
        self.assertEqual(self.rules([0, 1], Arrived(0, 1, 1), 1), [])

    def test_knows_the_order_of_one_request_at_a_time(self):
        self.assertEqual(self.rules([0, 1, 2], Arrived(1, 0, 2), in_order=5), ["order"])
        self.assertEqual(self.rules([0, 1, 2], Arrived(0, 1, 0, 1, 2), 2, in_order=0), ["order"])

    def test_notices_a_source_that_doubles(self):
        self.assertEqual(self.rules([0, 0, None], Arrived(0)), ["source"])

    def test_knows_a_byte_that_changed(self):
        numbers = Numbers(SEED)
        for number in (0, 1, 97, 12345):
            body = numbers.body(number)
            self.assertEqual(numbers.number_of(body), number)
            for wrong in (body[:-1], body + b"x", body[:-1] + bytes([body[-1] ^ 1]), b"", b"1:"):
                self.assertIsNone(numbers.number_of(wrong))


class Bridges(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        for name in ("ps_to_http", "pubsub", "simplequeue"):
            program_path(name)
        cls.pool = concurrent.futures.ThreadPoolExecutor(AT_ONCE)
        cls.runs = {name: cls.pool.submit(run) for name, run in RUNS.items()}

    @classmethod
    def tearDownClass(cls):
        cls.pool.shutdown()

    def run_of(self, name):
        found = self.runs[name].result()
        if found is None:
            self.skipTest("no network namespaces here")
        print(found, flush=True)
        return found

    def kept(self, name):
        self.assertEqual(self.run_of(name).violations[:5], [])

    def test_a_bridge_killed_fifteen_times_resumes_by_its_offset_file(self):
        self.kept("kills_offset_file")

    def test_a_bridge_killed_fifteen_times_resumes_from_its_spool(self):
        self.kept("kills_spool")

    def test_a_bridge_that_is_told_to_end_and_started_again_doubles_nothing(self):
        self.kept("restarts")
        self.kept("restarts_offset_file")

    def test_fifty_thousand_ids_pass_while_everything_is_killed_by_turns(self):
        self.kept("soak")

    def test_a_destination_that_restarts_loses_nothing(self):
        self.kept("destination_restarts")

    def test_a_source_that_restarts_loses_and_doubles_nothing(self):
        self.kept("source_restarts")

    def test_cuts_stalls_and_garbled_answers_lose_nothing(self):
        self.kept("cuts")
        self.kept("cuts_four_in_flight")
        self.kept("cuts_of_long_messages")

    def test_two_destinations_that_take_turns_have_each_message_once(self):
        self.kept("round_robin")

    def test_what_is_refused_for_good_is_in_the_dead_letters_once(self):
        self.kept("refusals")

    def test_a_full_disk_of_the_spool_loses_nothing(self):
        self.kept("disk_full")

    def test_a_destination_that_is_slow_makes_the_source_wait(self):
        self.kept("back_pressure")
        self.kept("back_pressure_spool")

    def test_a_spool_that_may_drop_says_how_many(self):
        self.kept("drop_oldest")

    def test_a_destination_that_is_down_delays_no_other_and_catches_up(self):
        self.kept("one_down")

    def test_a_network_that_is_cut_in_two_loses_nothing(self):
        self.kept("partitions")

    def test_a_network_that_loses_or_doubles_is_noticed(self):
        found = self.run_of("swallow")
        self.assertGreater(found.missing, 0)
        self.assertEqual(found.unexpected, 0)
        found = self.run_of("double")
        self.assertEqual((found.missing, found.unexpected), (0, 0))
        self.assertGreater(found.duplicates, 0)
        self.assertIn("duplicates", {text.split(":")[0] for text in found.violations})


if __name__ == "__main__":
    unittest.main()
