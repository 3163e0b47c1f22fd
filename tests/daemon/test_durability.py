"""simplequeue with --data-path: what was promised is there after a crash (promises P1 to P5, P9)."""

import contextlib
import glob
import os
import re
import threading
import time
import unittest

from data_path_case import disk_bytes
from harness import Connection, get, post, run_program, wait_until
from queue_data_case import QueueDataCase
from queue_requests import peek, stats

# run.py runs this file against the sanitized programs too.
SANITIZED = True

SYNC_MODES = ("always", "none", "100ms")


class Recovery(QueueDataCase):
    def everything_comes_back(self, *args):
        """Each state, attempts, ids, order, keys and pauses."""
        queue = self.start("--dedupe-window=1h", *args)
        for body in (b"leased", b"finished", b"requeued", b"delayed again", b"buried", b"kicked"):
            self.put(queue, body)
        receipts = {body: receipt for receipt, body in (self.lease(queue) for _ in range(6))}
        self.ok(get(queue.url("/finish?receipt=" + receipts[b"finished"])))
        self.ok(get(queue.url("/requeue?receipt=" + receipts[b"requeued"])))
        self.ok(get(queue.url("/requeue?delay=1h&receipt=" + receipts[b"delayed again"])))
        self.ok(get(queue.url("/bury?receipt=" + receipts[b"kicked"])))
        self.ok(get(queue.url("/kick?items=1")))
        self.ok(get(queue.url("/bury?receipt=" + receipts[b"buried"])))
        self.assertEqual(self.put(queue, b"keyed", "key=k"), 7)
        self.put(queue, b"delayed", "delay=1h")
        self.put(queue, b"soon\0\xff", "delay=200ms")
        self.put(queue, b"elsewhere", "queue=other")
        self.ok(get(queue.url("/pause?queue=other")))

        queue = self.restarted(queue, "--dedupe-window=1h", *args)
        self.assertEqual([m["body"] for m in peek(queue, "deferred") if m["id"] == 8], ["delayed"])
        self.assertEqual([(m["id"], m["body"]) for m in peek(queue, "dead")], [(5, "buried")])
        wait_until(lambda: stats(queue, "default")["deferred"] == 2, what="the short delay")
        ready = peek(queue, "ready")
        self.assertEqual([m["id"] for m in ready], [1, 3, 6, 7, 9])
        self.assertEqual([m["attempts"] for m in ready], [1, 1, 0, 0, 0])
        again = post(queue.url("/put?key=k"), b"keyed")
        self.assertEqual((again.header("X-Duplicate"), again.header("X-Message-Id")), ("1", "7"))
        self.assertIn("paused:1", get(queue.url("/queues")).text.split("other ")[1])
        self.assertEqual(get(queue.url("/get?queue=other")).body, b"")
        # A receipt does not survive a restart; what it named can be leased anew.
        stale = get(queue.url("/finish?receipt=" + receipts[b"leased"]))
        self.assertEqual(stale.text, "finished 0\n%s\n" % receipts[b"leased"])
        answer = self.ok(get(queue.url("/get?lease=60s")))
        self.assertEqual((answer.body, answer.header("X-Attempts")), (b"leased", "2"))
        self.assertEqual(self.put(queue, b"new"), 10)
        queue.stop()

        # A stop is as safe as a kill.
        with self.start("--dedupe-window=1h", *args) as queue:
            self.assertEqual([m["id"] for m in peek(queue, "ready")], [1, 3, 6, 7, 9, 10])
            bodies = [get(queue.url("/get")).body for _ in range(6)]
            self.assertEqual(bodies, [b"leased", b"requeued", b"kicked", b"keyed", b"soon\0\xff", b"new"])

    def test_everything_comes_back_with_sync_always(self):
        self.everything_comes_back("--sync=always")

    def test_everything_comes_back_with_sync_none(self):
        self.everything_comes_back("--sync=none")

    def test_everything_comes_back_with_an_interval(self):
        self.everything_comes_back("--sync=100ms", "--segment-bytes=64KiB")

    def test_what_was_taken_or_finished_stays_gone(self):
        queue = self.start()
        for i in range(10):
            self.put(queue, b"%d" % i)
        self.assertEqual(get(queue.url("/mget?items=3")).body, b"0\n1\n2")
        receipt, _ = self.lease(queue)
        self.ok(get(queue.url("/finish?receipt=" + receipt)))
        queue = self.restarted(queue)
        self.assertEqual(get(queue.url("/mget?items=99")).body, b"4\n5\n6\n7\n8\n9\n")
        queue = self.restarted(queue)
        self.assertEqual(stats(queue)["depth"], 0)
        self.assertEqual(self.put(queue, b"next"), 11)
        queue.stop()

    def test_attempts_that_a_crash_used_up_make_a_dead_letter(self):
        queue = self.start("--max-attempts=2")
        self.put(queue, b"poison")
        for attempt in ("1", "2"):
            answer = self.ok(get(queue.url("/get?lease=60s")))
            self.assertEqual(answer.header("X-Attempts"), attempt)
            queue = self.restarted(queue, "--max-attempts=2")
        self.assertEqual(get(queue.url("/get?lease=60s")).status, 204)
        self.assertEqual([m["body"] for m in peek(queue, "dead")], ["poison"])
        queue.stop()

    def test_a_delay_goes_on_where_it_was_and_one_that_is_over_is_due(self):
        queue = self.start()
        started = time.monotonic()
        self.put(queue, b"later", "delay=700ms")
        self.put(queue, b"at once", "delay=10ms")
        queue = self.restarted(queue)
        self.assertEqual(get(queue.url("/get?wait=10s")).body, b"at once")
        self.assertEqual(get(queue.url("/get?wait=10s")).body, b"later")
        self.assertGreaterEqual(time.monotonic() - started, 0.7)
        queue.stop()

    def test_many_messages_come_back_and_the_log_says_so(self):
        count = 200_000
        queue = self.start("--sync=none")
        batch = b"\n".join(b"%0100d" % i for i in range(count // 10))
        for _ in range(10):
            self.ok(post(queue.url("/mput"), batch))
        self.assertEqual(stats(queue)["data_path_bytes"], disk_bytes(self.path))
        queue = self.restarted(queue, "--sync=none")
        line = re.search(r"recovered %d messages \(%d ready, 0 deferred, 0 dead; 0 had been in flight\) "
                         r"in 1 queue from 2\d\.\d MB in 2 segments in \d+ ms" % (count, count),
                         queue.stderr())
        self.assertTrue(line, queue.stderr())
        self.assertEqual(stats(queue)["depth"], count)
        self.assertEqual(get(queue.url("/get")).body, b"%0100d" % 0)
        queue.stop()

    def test_what_a_message_costs_on_disk(self):
        with self.start("--sync=none", "--segment-bytes=16MiB") as queue:
            with Connection(queue.port) as connection:
                for _ in range(1000):
                    self.assertEqual(connection.request("POST", "/put", b"x" * 100).status, 200)
            # Each was a batch of its own; nothing was allocated but the first segment.
            report = run_program("rivulet-journal", "stats", self.path).stdout
            used = int(re.search(r"batches +\d+ \((\d+) bytes\)", report).group(1))
            self.assertLessEqual(used / 1000, 100 + 32)


class Failures(QueueDataCase):
    def test_a_second_process_on_the_data_path_does_not_start(self):
        with self.start() as queue:
            second = run_program("simplequeue", "--port=0", "--data-path=" + self.path)
            self.assertEqual(second.returncode, 1)
            self.assertEqual(second.stdout, "")
            self.assertEqual(second.stderr, "simplequeue: --data-path=%s: in use by process %d\n"
                             % (self.path, queue.pid))
            self.assertEqual(get(queue.url("/ping")).status, 200)

    def test_an_unfinished_end_is_cut_with_one_line(self):
        queue = self.start()
        for i in range(3):
            self.put(queue, b"message %d" % i)
        queue.kill()
        (file,) = glob.glob(os.path.join(self.path, "*.journal"))
        with open(file, "r+b") as journal:
            data = journal.read().rstrip(b"\0")
            # Half of a batch that never came to be whole.
            journal.seek(len(data))
            journal.write(data[-20:])
        queue = self.start()
        warnings = [line for line in queue.stderr().splitlines() if "WARNING" in line]
        self.assertEqual(len(warnings), 1, queue.stderr())
        self.assertRegex(warnings[0], r"%s:%d: an unfinished end was cut: \d+ bytes$"
                         % (re.escape(file), len(data)))
        self.assertEqual(get(queue.url("/mget?items=9")).body, b"message 0\nmessage 1\nmessage 2\n")
        queue.stop()

    def test_damage_stops_the_start_and_salvage_sets_it_aside(self):
        queue = self.start()
        for i in range(5):
            self.put(queue, b"message %d" % i)
        queue.stop()
        (file,) = glob.glob(os.path.join(self.path, "*.journal"))
        with open(file, "r+b") as journal:
            data = journal.read()
            at = data.index(b"message 2")
            journal.seek(at)
            journal.write(b"massage")
        refused = run_program("simplequeue", "--port=0", "--data-path=" + self.path)
        self.assertEqual(refused.returncode, 1)
        self.assertEqual(len(refused.stderr.splitlines()), 1, refused.stderr)
        offset = int(re.search(re.escape(file) + r":(\d+)", refused.stderr).group(1))
        self.assertLess(offset, at)
        self.assertGreater(offset, at - 60)
        queue = self.start("--salvage")
        self.assertRegex(queue.stderr(), r"WARNING .*\d+ bytes in 1 places? were damaged")
        self.assertTrue(glob.glob(os.path.join(self.path, "*.bad")))
        self.assertEqual(get(queue.url("/mget?items=9")).body,
                         b"message 0\nmessage 1\nmessage 3\nmessage 4\n")
        queue.stop()
        with self.start() as queue:  # clean again, without --salvage
            self.assertEqual(self.put(queue, b"next"), 6)

    def test_options_without_a_data_path_are_refused(self):
        for option in ("--sync=always", "--sync=100ms", "--segment-bytes=1MiB", "--salvage"):
            run = run_program("simplequeue", "--port=0", option)
            self.assertEqual(run.returncode, 2, option)
            self.assertEqual(run.stderr, "simplequeue: %s: must come with --data-path=DIR; without it "
                             "nothing is kept on disk\n" % option)
        for option in ("--sync=sometimes", "--sync=-1s", "--segment-bytes=1KiB"):
            run = run_program("simplequeue", "--port=0", "--data-path=" + self.path, option)
            self.assertEqual((run.returncode, len(run.stderr.splitlines())), (2, 1), option)
            self.assertFalse(os.path.exists(self.path))

    def test_a_folder_that_cannot_be_made_fails_the_start_with_one_line(self):
        for path in ("/proc/nothing/here", "/dev/null"):
            run = run_program("simplequeue", "--port=0", "--data-path=" + path)
            self.assertEqual((run.returncode, len(run.stderr.splitlines())), (1, 1), run.stderr)
            self.assertIn(path, run.stderr)


class Stop(QueueDataCase):
    def test_a_stop_under_load_loses_nothing_that_was_acknowledged(self):
        for sync in SYNC_MODES:
            with self.subTest(sync=sync):
                self.path = os.path.join(self.folder, sync)
                queue = self.start("--sync=" + sync, "--segment-bytes=64KiB")
                acknowledged = [[] for _ in range(4)]
                stop = threading.Event()

                def write(writer):
                    with contextlib.suppress(OSError, EOFError):
                        with Connection(queue.port) as connection:
                            for sequence in range(1_000_000):
                                body = b"%d %d" % (writer, sequence)
                                if connection.request("POST", "/put", body).status != 200:
                                    return
                                acknowledged[writer].append(body)

                writers = [threading.Thread(target=write, args=(w,)) for w in range(4)]
                for writer in writers:
                    writer.start()
                wait_until(lambda: min(len(bodies) for bodies in acknowledged) > 50,
                           what="some load")
                queue.stop()
                for writer in writers:
                    writer.join()
                with self.start("--sync=" + sync) as queue:
                    answer = get(queue.url("/mget?items=9999999"))
                    bodies = answer.body.decode().splitlines()
                    for writer in range(4):
                        mine = [b.encode() for b in bodies if b.startswith("%d " % writer)]
                        sent = acknowledged[writer]
                        # One more may be there: put, and the connection ended before its answer.
                        self.assertIn(len(mine) - len(sent), (0, 1))
                        self.assertEqual(mine[:len(sent)], sent)


if __name__ == "__main__":
    unittest.main()
