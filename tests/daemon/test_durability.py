"""simplequeue with --data-path: what was promised is there after a crash (promises P1 to P5, P9)."""

import contextlib
import glob
import os
import re
import shutil
import subprocess
import tempfile
import threading
import time
import unittest

from harness import Connection, Daemon, get, post, run_program, wait_until
from queue_requests import peek, stats

# run.py runs this file against the sanitized programs too.
SANITIZED = True

SYNC_MODES = ("always", "none", "100ms")


def framed(messages):
    return b"".join(b"%d\n%s\n" % (len(message), message) for message in messages)


def unframed(data):
    """The messages of a framed answer without leases."""
    messages = []
    while data:
        size, data = data.split(b"\n", 1)
        messages.append(data[:int(size)])
        data = data[int(size) + 1:]
    return messages


def disk_bytes(path):
    sizes = []
    for file in glob.glob(os.path.join(path, "*.journal")):
        with contextlib.suppress(FileNotFoundError):  # removed meanwhile
            sizes.append(os.path.getsize(file))
    return sum(sizes)


class DataPathTest(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="rivulet-durability-")
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)
        self.path = os.path.join(self.folder, "data")

    def start(self, *args):
        return Daemon("simplequeue", "--data-path=" + self.path, *args)

    def ok(self, answer, status=200):
        self.assertEqual(answer.status, status, answer.text)
        return answer

    def put(self, queue, body, query=""):
        return int(self.ok(post(queue.url("/put?" + query), body)).header("X-Message-Id"))

    def lease(self, queue, query="lease=60s"):
        answer = self.ok(get(queue.url("/get?" + query)))
        return answer.header("X-Receipt"), answer.body

    def restarted(self, queue, *args):
        """The same after kill -9."""
        queue.kill()
        return self.start(*args)


class Recovery(DataPathTest):
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


class Failures(DataPathTest):
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


class Disk(DataPathTest):
    def bounded_disk(self, sync, segment_bytes, items, rounds):
        """Tens of thousands of messages pass one old message; the journal stays below twice the live bytes and two segments."""
        with self.start("--segment-bytes=%d" % segment_bytes, "--sync=" + sync) as queue:
            self.put(queue, b"the old one")
            old, _ = self.lease(queue, "lease=12h")
            batch = framed(b"%0100d" % i for i in range(items))
            most = 0
            with Connection(queue.port) as connection:
                for _ in range(rounds):
                    answer = connection.request("POST", "/mput?format=framed", batch)
                    self.assertEqual(answer.status, 200)
                    most = max(most, disk_bytes(self.path))
                    answer = connection.request("GET", "/mget?items=%d&format=framed" % items)
                    self.assertEqual(len(answer.body), len(batch))
            # When all is quiet, what is live is one message.
            wait_until(lambda: disk_bytes(self.path) <= 2 * segment_bytes, what="segments to go")
            wait_until(lambda: stats(queue)["data_path_bytes"] == disk_bytes(self.path),
                       what="the files to be as large as /stats says")
            self.assertEqual(get(queue.url("/finish?receipt=" + old)).text, "finished 1\n")
        with self.start() as queue:
            self.assertEqual(stats(queue)["depth"], 0)
            self.assertEqual(self.put(queue, b"next"), items * rounds + 2)
        # At its fullest `items` messages are live, each with 13 bytes of framing, and the old one.
        self.assertLess(most, 2 * (items * 113 + 31) + 2 * segment_bytes)

    def test_the_disk_is_bounded_although_one_old_message_never_finishes(self):
        self.bounded_disk("always", 64 * 1024, 100, 300)  # 54 segments

    def test_the_disk_is_bounded_where_no_answer_waits_for_it(self):
        self.bounded_disk("none", 1 << 20, 500, 200)

    def test_keys_attempts_and_places_outlive_their_segments(self):
        args = ("--segment-bytes=64KiB", "--sync=none", "--dedupe-window=1h", "--max-attempts=3")
        queue = self.start(*args)
        self.put(queue, b"first", "key=kept")
        self.put(queue, b"gone", "key=of-one-that-is-gone")
        self.lease(queue)
        self.assertEqual(get(queue.url("/get")).body, b"gone")
        self.put(queue, b"later", "delay=1h")
        receipt, _ = (self.put(queue, b"dead"), self.lease(queue))[1]
        self.ok(get(queue.url("/bury?receipt=" + receipt)))
        for i in range(3):
            self.put(queue, b"in its place %d" % i, "queue=other")
        batch = framed(b"%0100d" % i for i in range(500))
        for _ in range(30):
            self.ok(post(queue.url("/mput?format=framed&queue=traffic"), batch))
            self.ok(get(queue.url("/mget?items=500&format=framed&queue=traffic")))
        wait_until(lambda: not os.path.exists(os.path.join(self.path, "%020d.journal" % 1)),
                   what="the first segment to go")
        queue = self.restarted(queue, *args)
        self.assertEqual([(m["id"], m["attempts"]) for m in peek(queue, "ready")], [(1, 1)])
        self.assertEqual([m["body"] for m in peek(queue, "deferred")], ["later"])
        self.assertEqual([m["body"] for m in peek(queue, "dead")], ["dead"])
        self.assertEqual(post(queue.url("/put?key=kept"), b"x").header("X-Message-Id"), "1")
        self.assertEqual(post(queue.url("/put?key=of-one-that-is-gone"), b"x").header("X-Message-Id"), "2")
        self.assertEqual(get(queue.url("/mget?items=9&queue=other")).body,
                         b"in its place 0\nin its place 1\nin its place 2\n")
        queue.stop()

    @contextlib.contextmanager
    def small_disk(self):
        """A file system of 4 MiB at self.path; skips where one cannot be mounted."""
        os.mkdir(self.path)
        mount = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", self.path],
                               capture_output=True, text=True)
        if mount.returncode != 0:
            self.skipTest("a file system to fill cannot be mounted here: " + mount.stderr.strip())
        try:
            yield
        finally:
            subprocess.run(["umount", "-l", self.path], check=True)

    def full_disk(self, sync):
        with self.small_disk():
            ballast = os.path.join(self.path, "ballast")
            with open(ballast, "wb") as file:
                file.write(b"x" * (2 << 20))
            queue = self.start("--segment-bytes=256KiB", "--sync=" + sync)
            acknowledged = set()
            for i in range(1000):
                body = b"%d " % i + b"x" * 5000
                answer = post(queue.url("/put"), body)
                if answer.status != 200:
                    break
                acknowledged.add(body)
            self.assertEqual(answer.status, 507, answer.text)
            self.assertTrue(answer.header("Retry-After"))
            self.assertGreater(len(acknowledged), 100)
            ping = get(queue.url("/ping"))
            self.assertEqual(ping.status, 503)
            self.assertIn("No space left", ping.text)
            self.assertIn("No space left", stats(queue)["health"])
            self.assertEqual(post(queue.url("/put"), b"more").status, 507)
            # What only reads goes on, and what shrinks the log, in the room that is left.
            self.assertEqual(len(peek(queue, "ready", 5)), 5)
            taken = get(queue.url("/get"))
            if taken.status == 200:
                self.assertIn(taken.body, acknowledged)
                acknowledged.discard(taken.body)
            receipt, body = None, None
            leased = get(queue.url("/get?lease=60s"))
            if leased.status == 200:
                finish = get(queue.url("/finish?receipt=" + leased.header("X-Receipt")))
                if finish.status == 200:
                    acknowledged.discard(leased.body)
            os.unlink(ballast)
            wait_until(lambda: get(queue.url("/ping")).status == 200, what="the queue to heal")
            body = b"after " + b"y" * 5000
            self.ok(post(queue.url("/put"), body))
            acknowledged.add(body)
            queue = self.restarted(queue, "--segment-bytes=256KiB", "--sync=" + sync)
            answer = get(queue.url("/mget?items=9999&format=framed"))
            bodies = set(unframed(answer.body))
            self.assertEqual(acknowledged - bodies, set())
            # Of what was answered 507 some may be there: nothing was promised of it.
            self.assertTrue(all(b == b"more" or b.endswith(b"xxx") or b.endswith(b"yyy") for b in bodies))
            queue.stop()

    def test_a_full_disk_refuses_and_heals_with_sync_always(self):
        self.full_disk("always")

    def test_a_full_disk_refuses_and_heals_with_sync_none(self):
        self.full_disk("none")

    def test_room_that_finishes_make_heals_too(self):
        with self.small_disk():
            with self.start("--segment-bytes=256KiB") as queue:
                count = 0
                while post(queue.url("/put"), b"%d " % count + b"x" * 5000).status == 200:
                    count += 1
                    self.assertLess(count, 2000)
                receipts = []
                for _ in range(count * 9 // 10):
                    answer = get(queue.url("/get?lease=60s"))
                    self.assertEqual(answer.status, 200, answer.text)
                    receipts.append(answer.header("X-Receipt"))
                answer = self.ok(post(queue.url("/finish"), "\n".join(receipts)))
                self.assertEqual(answer.text, "finished %d\n" % len(receipts))
                wait_until(lambda: post(queue.url("/put"), b"fits again").status == 200,
                           what="room for a put")
                wait_until(lambda: get(queue.url("/ping")).status == 200, what="the queue to heal")


class Stop(DataPathTest):
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
