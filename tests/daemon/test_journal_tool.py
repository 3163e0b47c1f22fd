"""rivulet-journal: what it tells of a journal that simplequeue or pubsub wrote."""

import base64
import glob
import json
import os
import re
import threading
import unittest

from data_path_case import DataPathCase
from harness import Connection, get, post, run_program

# run.py runs this file against the sanitized programs too.
SANITIZED = True


class ToolCase(DataPathCase):
    def run_tool(self, *args, expected=0):
        run = run_program("rivulet-journal", *args, self.path)
        self.assertEqual(run.returncode, expected, run.stdout + run.stderr)
        return run

    def dump(self, *args):
        return [json.loads(line) for line in self.run_tool("dump", *args).stdout.splitlines()]


class JournalTool(ToolCase):
    PROGRAM = "simplequeue"

    def files(self):
        return sorted(glob.glob(os.path.join(self.path, "*.journal")))

    def fill(self):
        """A message of each state, and a finished one."""
        with self.start("--dedupe-window=1h") as queue:
            post(queue.url("/put"), b"finished")
            post(queue.url("/put?ttl=1h&key=k"), b"leased")
            post(queue.url("/put"), b"buried")
            receipts = [get(queue.url("/get?lease=60s")).header("X-Receipt") for _ in range(3)]
            get(queue.url("/finish?receipt=" + receipts[0]))
            get(queue.url("/bury?receipt=" + receipts[2]))
            post(queue.url("/put?delay=1h"), b"delayed")
            post(queue.url("/put?queue=jobs"), b"\xff\0\xfe")
            get(queue.url("/pause?queue=jobs"))

    def test_dump_tells_the_whole_story_a_line_a_record(self):
        self.fill()
        records = self.dump()
        story = [(r["queue"], r["type"], r.get("id", r.get("ids"))) for r in records
                 if r["type"] != "queue"]
        self.assertEqual(story, [
            ("default", "put", 1), ("default", "put", 2), ("default", "put", 3),
            ("default", "lease", "1"), ("default", "lease", "2"), ("default", "lease", "3"),
            ("default", "forget", "1"), ("default", "bury", "3"), ("default", "put", 4),
            ("jobs", "put", 1)])
        leased = next(r for r in records if r.get("body") == "leased")
        self.assertEqual((leased["state"], leased["attempts"], leased["ttl"], leased["key"]),
                         ("ready", 0, 3600.0, "k"))
        delayed = next(r for r in records if r.get("body") == "delayed")
        self.assertEqual(delayed["state"], "deferred")
        self.assertAlmostEqual(delayed["due"] - delayed["put_at"], 3600, delta=0.01)
        self.assertEqual(base64.b64decode(records[-2]["body_base64"]), b"\xff\0\xfe")
        self.assertEqual((records[-1]["type"], records[-1]["queue"], records[-1]["paused"]),
                         ("queue", "jobs", True))

    def test_an_offset_is_where_the_record_stands(self):
        self.fill()
        with open(self.files()[0], "rb") as file:
            data = file.read()
        for record in self.dump():
            self.assertEqual(record["segment"], 1)
            if "body" in record:
                at = data.index(record["body"].encode())
                self.assertLess(record["offset"], at)
                self.assertLess(at - record["offset"], 40)

    def test_dump_of_one_queue(self):
        self.fill()
        self.assertEqual({r["queue"] for r in self.dump("--queue=jobs")}, {"jobs"})
        self.assertEqual(self.dump("--queue=nobody"), [])

    def test_long_bodies_are_cut_but_not_inside_a_character(self):
        with self.start() as queue:
            post(queue.url("/put"), "é".encode() * 1000)
        (put,) = [r for r in self.dump() if r["type"] == "put"]
        self.assertEqual((put["bytes"], put["body"]), (2000, "é" * 50))
        (put,) = [r for r in self.dump("--max-body=5") if r["type"] == "put"]
        self.assertEqual(put["body"], "éé")
        (put,) = [r for r in self.dump("--max-body=1MiB") if r["type"] == "put"]
        self.assertEqual(put["body"], "é" * 1000)

    def test_stats_count_what_a_start_brings_back(self):
        self.fill()
        lines = self.run_tool("stats").stdout.splitlines()
        self.assertRegex(lines[0], r"^segments  1 \(\d+ bytes on disk\)$")
        counts = dict(line.split() for line in lines if re.match(r"  \w+ +\d+$", line))
        self.assertEqual({k: int(v) for k, v in counts.items() if k != "queue"},
                         {"put": 5, "lease": 3, "forget": 1, "return": 0, "defer": 0, "bury": 1, "key": 0})
        table = {line.split()[0]: line.split()[1:] for line in lines[lines.index("") + 3:]}
        # ready, of these leased, deferred, dead, bytes, keys
        self.assertEqual(table["default"], ["1", "1", "1", "1", str(len("leasedburieddelayed")), "1"])
        self.assertEqual(table["jobs"], ["1", "0", "0", "0", "3", "0", "paused"])

    def test_verify_of_a_good_journal(self):
        self.fill()
        run = self.run_tool("verify")
        self.assertRegex(run.stdout, r"^good: \d+ records in \d+ batches, \d+ bytes in 1 segments\n$")
        self.assertEqual(run.stderr, "")

    def test_verify_notes_an_unfinished_end(self):
        queue = self.start()
        post(queue.url("/put"), b"whole")
        queue.kill()
        with open(self.files()[0], "r+b") as file:
            data = file.read().rstrip(b"\0")
            file.seek(len(data))
            file.write(b"half of a batch")
        run = self.run_tool("verify")
        self.assertEqual(run.stdout.splitlines()[0], "%s:%d: an unfinished end of 15 bytes, which the "
                         "next start cuts" % (self.files()[0], len(data)))
        self.assertTrue(run.stdout.splitlines()[1].startswith("good: "))
        with open(self.files()[0], "rb") as file:
            self.assertIn(b"half of a batch", file.read())  # nothing was repaired

    def test_verify_names_damage_and_what_would_be_lost(self):
        self.fill()
        with open(self.files()[0], "r+b") as file:
            data = file.read()
            at = data.index(b"buried")
            file.seek(at)
            file.write(b"B")
        run = self.run_tool("verify", expected=1)
        offset = int(re.search(re.escape(self.files()[0]) + r":(\d+)", run.stdout).group(1))
        self.assertTrue(at - 60 < offset < at, run.stdout)
        self.assertRegex(run.stdout, r"damaged: --salvage would lose \d+ bytes in 1 place and bring back "
                         r"\d+ records\n$")
        stats = self.run_tool("stats", expected=1)
        self.assertRegex(stats.stdout, r"damaged   \d+ bytes in 1 place, not")
        dump = self.run_tool("dump")
        self.assertIn("leased", dump.stdout)
        self.assertIn("delayed", dump.stdout)
        self.assertNotIn("buried", dump.stdout)
        self.assertRegex(dump.stderr, r":%d: nothing that can be read from here to offset \d+\n" % offset)

    def test_a_running_daemon_is_left_alone_and_named(self):
        with self.start() as queue:
            post(queue.url("/put"), b"a message")
            for command in ("verify", "stats"):
                run = self.run_tool(command)
                self.assertIn("in use by process %d" % queue.pid, run.stderr)
            self.assertEqual(len([r for r in self.dump() if r["type"] == "put"]), 1)
            self.assertEqual(get(queue.url("/get")).body, b"a message")
        self.assertEqual(self.run_tool("verify").stderr, "")

    def test_a_busy_daemon_may_be_looked_at(self):
        with self.start("--sync=none", "--segment-bytes=64KiB") as queue:
            stop = threading.Event()

            def work():
                with Connection(queue.port) as connection:
                    batch = b"\n".join([b"x" * 100] * 100)
                    while not stop.is_set():
                        connection.request("POST", "/mput", batch)
                        connection.request("GET", "/mget?items=100")

            worker = threading.Thread(target=work)
            worker.start()
            try:
                for command in ("verify", "stats", "dump") * 10:
                    run = run_program("rivulet-journal", command, self.path)
                    self.assertEqual(run.returncode, 0, (command, run.stdout[-500:], run.stderr[-500:]))
            finally:
                stop.set()
                worker.join()

    def test_a_folder_without_a_journal_is_refused_with_one_line(self):
        os.mkdir(self.path)
        for command in ("dump", "verify", "stats"):
            run = self.run_tool(command, expected=1)
            self.assertEqual(run.stderr, "rivulet-journal: %s: must be the --data-path of a daemon: there "
                             "is no .journal file in it\n" % self.path)
        os.rmdir(self.path)
        run = self.run_tool("verify", expected=1)
        self.assertEqual(len(run.stderr.splitlines()), 1)

    def test_wrong_words_end_with_2_and_one_line(self):
        for words, line in (
                ((), "COMMAND must be given: rivulet-journal COMMAND DIR"),
                (("dump",), "DIR must be given: rivulet-journal COMMAND DIR"),
                (("fix", "/tmp"), "COMMAND fix: must be one of dump, verify, stats"),
                (("dump", "/tmp", "more"),
                 "more: one argument too many: must be rivulet-journal COMMAND DIR"),
                (("dump", "--queue=a b", "/tmp"), "--queue=a b: must be 1 to 64 of A-Z a-z 0-9 . _ -")):
            run = run_program("rivulet-journal", *words)
            self.assertEqual((run.returncode, run.stdout, run.stderr),
                             (2, "", "rivulet-journal: %s\n" % line))

    def test_help_teaches_the_commands(self):
        run = run_program("rivulet-journal", "--help")
        self.assertEqual(run.returncode, 0)
        for word in ("COMMAND DIR", "dump", "verify", "stats", "--queue=NAME", "--max-body=SIZE"):
            self.assertIn(word, run.stdout)


class JournalOfTopics(ToolCase):
    PROGRAM = "pubsub"

    def setUp(self):
        super().setUp()
        with self.start() as pubsub:
            post(pubsub.url("/pub?topic=clicks"), b"one\ntwo")
            post(pubsub.url("/pub?topic=quiet"), b"\xff")
            post(pubsub.url("/pub?topic=clicks"), b"three", {"Idempotency-Key": "k"})

    def test_dump_tells_the_messages_of_each_topic_with_their_offsets(self):
        told = [(r["topic"], r["first_offset"], r["first_sequence"], r.get("bodies"))
                for r in self.dump() if r["type"] == "messages"]
        self.assertEqual(told, [("clicks", 0, 0, ["one", "two"]), ("quiet", 0, 2, None),
                                ("clicks", 2, 3, ["three"])])
        key = next(r for r in self.dump() if r["type"] == "key")
        self.assertEqual((key["topic"], key["key"], key["first_offset"]), ("clicks", "k", 2))

    def test_dump_of_one_topic(self):
        records = self.dump("--topic=quiet")
        self.assertEqual({r["topic"] for r in records}, {"quiet"})
        self.assertEqual([base64.b64decode(b) for b in records[-1]["bodies_base64"]], [b"\xff"])

    def test_a_queue_is_not_looked_for_among_topics(self):
        run = self.run_tool("dump", "--queue=clicks", expected=1)
        self.assertEqual(run.stdout, "")
        self.assertRegex(run.stderr, r"^rivulet-journal: --queue=clicks: .* must be one of "
                                     r"simplequeue\n$")

    def test_verify_and_stats(self):
        self.assertRegex(self.run_tool("verify").stdout, r"^good: \d+ records in \d+ batches, ")
        lines = self.run_tool("stats").stdout.splitlines()
        rows = [line.split() for line in lines]
        self.assertIn(["messages", "3"], rows)
        self.assertIn(["key", "1"], rows)
        self.assertIn(["clicks", "3", "11", "0", "3", "1"], rows)
        self.assertIn(["quiet", "1", "1", "0", "1", "0"], rows)

    def test_damage_is_named_and_what_would_be_lost(self):
        name = glob.glob(os.path.join(self.path, "*.journal"))[0]
        with open(name, "rb") as file:
            at = file.read().index(b"two")
        with open(name, "r+b") as file:
            file.seek(at)
            file.write(b"T")
        run = self.run_tool("verify", expected=1)
        self.assertIn(name + ":64: the batch is bad", run.stdout)
        self.assertIn("--salvage would lose", run.stdout)


if __name__ == "__main__":
    unittest.main()
