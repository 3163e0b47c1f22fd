"""Short versions of tests/torture: what `make soak` does for minutes, in seconds. The seed is
printed; RIVULET_SEED repeats it.

First the judges are judged: the oracle must notice each kind of broken promise, and the model of
the disk must agree with a real one.
"""

import os
import random
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "torture"))

import disk_model  # noqa: E402
import oracle  # noqa: E402
from crash import Crashes  # noqa: E402
from drain import Drains  # noqa: E402
from faults import Faults  # noqa: E402
from harness import IS_SANITIZED, program_path  # noqa: E402
from history import Delivery, Finish, Group, History  # noqa: E402
from power import PowerCuts  # noqa: E402
from programs import folder  # noqa: E402
from shim import Fault  # noqa: E402
from soak import Soak  # noqa: E402

# run.py runs this file against the sanitized programs too.
LONG = True
SANITIZED = True
SEED = int(os.environ.get("RIVULET_SEED", random.randrange(1, 100000)))
# What a sanitizer finds it finds early: the other build takes all rounds.
SHARE = 3 if IS_SANITIZED else 1


class OracleNotices(unittest.TestCase):
    """Histories by hand; what is wrong with each follows from the promise alone."""

    def setUp(self):
        self.history = History(1)

    def put(self, *seqs, answered=True, delayed=False):
        group = Group(0, list(seqs), delayed)
        self.history.groups.append(group)
        if answered:
            group.answered = group.sent + 1
        return group

    def deliver(self, *items):
        delivery = Delivery(0, oracle_time(), [((0, seq), attempts, "1-%d" % seq)
                                               for seq, attempts in items], 1)
        self.history.deliveries.append(delivery)

    def finish(self, *seqs, answered=True):
        record = Finish([(0, seq) for seq in seqs])
        self.history.finishes.append(record)
        if answered:
            record.answered = oracle_time()

    def rules(self, *remaining):
        found = oracle.check(self.history, [((0, seq), 1, "1-%d" % seq) for seq in remaining])
        return sorted({text.split(":")[0] for text in found})

    def test_nothing_in_a_sound_history(self):
        self.put(0)
        self.put(1, 2, 3)
        self.put(4, answered=False)  # may be there or not
        self.put(5, 6, answered=False)
        self.deliver((0, 1), (1, 1))
        self.finish(0)
        self.finish(1, answered=False)
        self.deliver((1, 2))
        self.assertEqual(self.rules(2, 3, 5, 6), [])

    def test_an_acknowledged_message_that_is_gone(self):
        self.put(0)
        self.put(1)
        self.assertEqual(self.rules(1), ["lost"])
        self.deliver((0, 1))
        self.assertEqual(self.rules(1), ["lost"])
        self.finish(0, answered=False)
        self.assertEqual(self.rules(1), [])

    def test_a_message_that_nobody_sent(self):
        self.put(0)
        self.assertEqual(self.rules(0, 1), ["invented"])

    def test_a_byte_that_changed(self):
        body = self.history.body((0, 7))
        self.assertEqual(self.history.key_of(body), (0, 7))
        for wrong in (body[:-1], body + b"x", body[:-1] + bytes([body[-1] ^ 1]), b"", b"w0:"):
            self.assertIsNone(self.history.key_of(wrong))
        self.assertEqual(len(self.history.wrong), 5)

    def test_a_finished_message_that_comes_again(self):
        self.put(0)
        self.deliver((0, 1))
        self.finish(0)
        self.assertEqual(self.rules(0), ["undead"])
        self.deliver((0, 2))
        self.assertEqual(self.rules(), ["undead"])

    def test_a_message_that_is_there_twice(self):
        self.put(0)
        self.assertEqual(self.rules(0, 0), ["twice"])

    def test_one_put_under_two_ids(self):
        self.put(0)
        self.deliver((0, 1))
        self.history.deliveries[0].items[0] = ((0, 0), 1, "1-99")
        self.assertEqual(self.rules(0), ["twice"])

    def test_two_holders_that_finish_one_message(self):
        self.put(0)
        self.deliver((0, 1))
        self.finish(0)
        self.finish(0)
        self.assertEqual(self.rules(), ["twice"])

    def test_a_redelivery_that_does_not_say_so(self):
        self.put(0)
        self.deliver((0, 1))
        self.deliver((0, 1))
        self.assertEqual(self.rules(0), ["attempts"])

    def test_attempts_that_fall(self):
        self.put(0)
        self.deliver((0, 2))
        self.deliver((0, 1))
        self.assertEqual(self.rules(0), ["attempts"])

    def test_first_deliveries_out_of_order(self):
        self.put(0)
        self.put(1)
        self.deliver((1, 1))
        self.deliver((0, 1))
        self.assertEqual(self.rules(0, 1), ["order"])

    def test_first_deliveries_out_of_order_in_one_answer(self):
        self.put(0)
        self.put(1)
        self.deliver((1, 1), (0, 1))
        self.assertEqual(self.rules(0, 1), ["order"])

    def test_a_deferred_message_has_no_place(self):
        self.put(0, delayed=True)
        self.put(1)
        self.deliver((1, 1))
        self.deliver((0, 1))
        self.assertEqual(self.rules(0, 1), [])

    def test_half_an_mput(self):
        self.put(0, 1, 2, answered=False)
        self.assertEqual(self.rules(0, 2), ["half"])
        self.assertEqual(self.rules(), [])


def oracle_time():
    from history import now
    return now()


FILE_CALLS = """
import os, sys
os.chdir(sys.argv[1])
a = os.open("a", os.O_RDWR | os.O_CREAT, 0o600)
os.write(a, b"A" * 700)
os.pwrite(a, b"B" * 600, 100)
os.pwritev(a, [b"C" * 5, b"D" * 5], 2000)
os.fdatasync(a)
os.posix_fallocate(a, 0, 5000)
os.pwrite(a, b"E" * 512, 512)
os.ftruncate(a, 3000)
b = os.open("b", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
os.write(b, b"one"); os.write(b, b"two")
os.rename("b", "c")
d = os.open(".", os.O_RDONLY)
os.fsync(d)
os.close(os.open("gone", os.O_WRONLY | os.O_CREAT, 0o600))
os.unlink("gone")
os.pwrite(a, b"F" * 10, 0)
"""


class DiskModelAgrees(unittest.TestCase):
    def setUp(self):
        base = folder()
        self.addCleanup(base.cleanup)
        self.path = os.path.join(base.name, "data")
        os.mkdir(self.path)
        self.log = os.path.join(base.name, "log")
        subprocess.run(["/usr/bin/python3", "-c", FILE_CALLS, self.path], check=True,
                       env={**os.environ, **Fault(self.path, log=self.log).env})
        self.disk = disk_model.Disk()
        self.records = disk_model.read_log(self.log)

    def apply_all(self):
        for record in self.records:
            self.disk.apply(record)

    def test_with_the_real_disk_when_nothing_misses(self):
        self.apply_all()
        real = {}
        for name in os.listdir(self.path):
            with open(os.path.join(self.path, name), "rb") as file:
                real[name] = file.read()
        self.assertEqual(self.disk.state("all", random.Random(1)), real)

    def test_that_only_what_was_synced_is_sure(self):
        self.apply_all()
        state = self.disk.state("none", random.Random(1))
        # The folder was synced before "gone"; a once, after its first three writes.
        self.assertEqual(sorted(state), ["a", "c"])
        self.assertEqual(state["c"], b"")
        self.assertEqual(state["a"], b"A" * 100 + b"B" * 600 + bytes(1300) + b"CCCCCDDDDD")

    def test_that_an_inode_comes_back_behind_the_removal_of_its_name(self):
        disk = disk_model.Disk()
        disk.put("old", b"its bytes", 7)
        for kind, name in ((disk_model.UNLINK, "old"), (disk_model.CREATE, "new")):
            record = disk_model.Record()
            record.kind, record.name, record.inode, record.offset, record.data = kind, name, 7, 0, b""
            disk.apply(record)
        # Without the rule "old" would be there with what "new" holds.
        self.assertEqual(disk.state("none", random.Random(1)), {})
        self.assertEqual(disk.state("all", random.Random(1)), {"new": b""})

    def test_that_unsynced_sectors_miss_one_by_one(self):
        self.apply_all()
        states = {self.disk.state("half", random.Random(seed))["a"] for seed in range(60)}
        # Sector 0 with F or without, sector 1 with E or without, and the sizes 2010, 5000, 3000.
        self.assertEqual({state[0:1] for state in states}, {b"A", b"F"})
        self.assertEqual({state[600:601] for state in states}, {b"B", b"E"})
        self.assertEqual({len(state) for state in states}, {2010, 3000, 5000})


class Torture(unittest.TestCase):
    def setUp(self):
        program_path("simplequeue")

    def kept(self, test):
        violations = test.run()
        self.assertEqual(violations[:5], [], "%d violations, seed %d" % (len(violations), SEED))

    def noticed(self, make, *rules):
        """That what make(SEED) does is told. Whether a kill does harm is up to the moment in which it
        comes, and a slow machine has little to lose: it goes on until one has."""
        seen = set()
        for more in range(20):
            seen |= {text.split(":")[0] for text in make(SEED + more).run()}
            if seen & set(rules):
                return
        self.fail("%s, not %s, seed %d" % (sorted(seen), rules, SEED))

    def test_kills_lose_nothing(self):
        self.kept(Crashes(SEED, 50 // SHARE))

    def test_failing_system_calls_lose_nothing(self):
        self.kept(Faults(SEED, 48 // SHARE))

    def test_power_cuts_lose_nothing_that_was_synced(self):
        self.kept(PowerCuts(SEED, 40 // SHARE, "always", seconds=0.6))
        self.kept(PowerCuts(SEED, 20 // SHARE, "100ms", seconds=1.2))

    def test_ids_pass_once(self):
        self.kept(Soak(SEED, 30000 // SHARE, kill_every=0.2))

    def test_sigterm_under_load_keeps_every_answer(self):
        self.kept(Drains(SEED, 6 // SHARE))

    def test_what_takes_the_protection_out_is_noticed(self):
        self.noticed(lambda seed: Crashes(seed, 3, control="swallow"), "lost")
        # What was said to be synced and is not there is damage to who reads it, or lost.
        self.noticed(lambda seed: PowerCuts(seed, 10, swallow=True, seconds=0.4), "lost", "start")
        self.noticed(lambda seed: Drains(seed, 2, control="kill"), "drain")


if __name__ == "__main__":
    unittest.main()
