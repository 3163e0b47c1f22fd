"""ps_to_file killed, refused by the disk, and started again: every message is in the files once, and in order."""

import collections
import os
import random
import re
import shutil
import signal
import sys
import threading
import time
import unittest

from archive_case import ArchiveCase, content, number_of
from harness import ROOT, get, wait_until
from scripted_http import ScriptedSource

sys.path.insert(0, os.path.join(ROOT, "tests", "torture"))
from shim import Fault  # noqa: E402

# run.py runs this file against the sanitized programs too.
SANITIZED = True
KILLS = int(os.environ.get("RIVULET_ARCHIVE_KILLS", "10"))  # for each kind of file
SEED = int(os.environ.get("RIVULET_SEED", "0")) or int(time.time())


class CrashCase(ArchiveCase):
    """Messages are `PARTITION NUMBER TEXT`; as JSON, so that a field can be read."""

    def line(self, number):
        return b'{"p":"%d","i":%d,"text":"%s"}\n' % (number % 3, number, b"x" * (number % 211))

    def publish_some(self, begin, count):
        self.publish(b"".join(self.line(i) for i in range(begin, begin + count)))
        return begin + count

    def assert_whole(self, count):
        """All files together hold every line once; each partition's in order."""
        partitions = collections.defaultdict(list)
        for name in self.files():
            partitions[name.split("/")[0]].append(name)
        self.assertEqual(sorted(partitions), ["0", "1", "2"])
        for partition, names in partitions.items():
            names.sort(key=lambda name: number_of(name, ""))
            found = b"".join(content(self.path(name)) for name in names)
            expected = b"".join(self.line(i) for i in range(int(partition), count, 3))
            if found != expected:
                ids = [int(i) for i in re.findall(rb'"i":(\d+)', found)]
                wanted = list(range(int(partition), count, 3))
                self.fail("seed %d, partition %s: missing %r, doubled %r, in order: %s, files %r" % (
                    SEED, partition, sorted(set(wanted) - set(ids))[:20],
                    [i for i, n in collections.Counter(ids).items() if n > 1][:20],
                    ids == sorted(ids), names))


class Kills(CrashCase):
    def kill_many_times(self, *args, pause=(0.005, 0.12)):
        chance = random.Random(SEED)
        published = self.publish_some(0, 300)
        ending = threading.Event()
        counts = [published]

        def go_on():
            while not ending.is_set():
                counts[0] = self.publish_some(counts[0], 50)
                ending.wait(0.003)

        publisher = threading.Thread(target=go_on)
        publisher.start()
        try:
            for _ in range(KILLS):
                archiver = self.start("{p}/log", "--max-file-size=20KiB", *args)
                time.sleep(chance.uniform(*pause))  # when it is killed is what the test is about
                archiver.kill()
        finally:
            ending.set()
            publisher.join()
        archiver = self.restart("{p}/log", "--max-file-size=20KiB", *args)
        self.await_position(counts[0])
        archiver.stop()
        self.assert_whole(counts[0])

    def test_killed_with_lines(self):
        self.kill_many_times()

    def test_killed_with_gzip(self):
        self.kill_many_times("--compress=gzip", "--max-open-files=2")

    @unittest.skipIf(shutil.which("zstd") is None, "needs zstd")
    def test_killed_with_zstd(self):
        self.kill_many_times("--compress=zstd", "--sync=none")


class Starts(CrashCase):
    def test_what_came_before_the_first_checkpoint_is_asked_for_again(self):
        url = self.pubsub.url("/sub")
        self.publish(b"before\n")
        archiver = self.start("log", "--checkpoint-interval=1h", url=url)
        wait_until(lambda: b"connected at" in get(self.pubsub.url("/clients")).body, what="a client")
        self.publish(b"a\nb\n")
        wait_until(lambda: self.files() and self.content("log.part") == b"a\nb\n", what="both lines")
        archiver.kill()
        self.publish(b"c\n")
        self.start("log", url=url)
        self.await_position(4)
        self.assertEqual(self.content("log.part"), b"a\nb\nc\n")

    def test_lines_of_a_source_without_a_past_stay_after_a_kill(self):
        with ScriptedSource() as source:
            archiver = self.start("log", "--checkpoint-interval=1h", url=source.url())
            source.stream(0).send(b"a\nb\n")
            wait_until(lambda: self.files() and self.content("log.part") == b"a\nb\n",
                       what="both lines")
            archiver.kill()
            with open(self.path("log.part"), "ab") as file:
                file.write(b"half a li")
            archiver = self.start("log", url=source.url())
            source.stream(1).send(b"c\n")
            wait_until(lambda: self.content("log.part") == b"a\nb\nc\n", what="the third line")
            archiver.stop()

    def test_a_finished_file_is_no_part_file_of_another_partition(self):
        lines = [b'{"p":"x"}\n', b'{"p":"x.part","text":"longer than the other one"}\n']
        archiver = self.start("{p}")
        self.publish(b"".join(lines))
        self.await_position(2)
        archiver.signal(signal.SIGHUP)
        wait_until(lambda: self.files() == ["x", "x%2Epart"], what="two finished files")
        archiver.kill()
        self.restart("{p}").stop()
        self.assertEqual(self.files(), ["x", "x%2Epart"])
        self.assertEqual([self.content(name) for name in self.files()], lines)


class Faults(CrashCase):
    def test_a_full_disk_is_waited_for(self):
        gate = self.path(".gate")
        fault = Fault(self.folder, op="write,create,allocate", nth=1, action="ENOSPC", times=0,
                      gate=gate, hit=self.folder + ".hit")
        archiver = self.start("{p}/log", "--max-pending-bytes=64KiB", env=fault.env)
        count = self.publish_some(0, 1000)
        self.await_position(count)
        open(gate, "w", encoding="utf-8").close()
        # More than it holds, so that the source is not read.
        count = self.publish_some(count, 3000)
        wait_until(lambda: "No space left" in archiver.stderr(), 10, "a word about the disk")
        os.remove(gate)
        self.await_position(count)
        archiver.stop()
        self.assertIn("writing goes on", archiver.stderr())
        self.assert_whole(count)

    def test_what_fails_once_is_done_again(self):
        count = self.publish_some(0, 900)
        for action, op in (("short", "write"), ("EINTR", "write"), ("EIO", "write"),
                           ("EIO", "rename"), ("EIO", "create")):
            with self.subTest(action=action, op=op):
                shutil.rmtree(self.folder)
                os.mkdir(self.folder)
                fault = Fault(self.folder, op=op, nth=4, action=action, hit=self.folder + ".hit")
                archiver = self.start("{p}/log", "--max-file-size=30KiB", env=fault.env)
                self.await_position(count)
                archiver.stop()
                self.assertIsNotNone(fault.hit())
                os.remove(fault.hit_file)
                self.assert_whole(count)

    def test_a_failed_sync_ends_it_and_the_next_start_is_whole(self):
        count = self.publish_some(0, 900)
        codes = []
        for nth in range(1, 7):
            with self.subTest(nth=nth):
                shutil.rmtree(self.folder)
                os.mkdir(self.folder)
                fault = Fault(self.folder, op="sync", nth=nth, action="EIO",
                              hit=self.folder + ".hit")
                archiver = self.start("{p}/log", env=fault.env)
                wait_until(lambda: not archiver.running() or self.position() >= count, 20,
                           "a failure or the end")
                codes.append(archiver.stop(expected=None))
                archiver = self.restart("{p}/log")
                self.await_position(count)
                archiver.stop()
                self.assert_whole(count)
        # That of a state which is replaced is tried again; those of the files are not.
        self.assertEqual(codes[3:], [1, 1, 1])

    def test_killed_before_and_after_each_kind_of_call(self):
        self.publish_some(0, 900)
        for op in ("write", "create", "rename", "sync", "dirsync"):
            for nth, action in ((1, "kill_before"), (2, "kill_after"), (5, "kill_before")):
                with self.subTest(op=op, nth=nth, action=action):
                    shutil.rmtree(self.folder)
                    os.mkdir(self.folder)
                    fault = Fault(self.folder, op=op, nth=nth, action=action,
                                  hit=self.folder + ".hit")
                    archiver = self.start("{p}/log", "--max-file-size=20KiB", env=fault.env)
                    wait_until(lambda: not archiver.running() or self.position() >= 900,
                               20, "a kill or the end")
                    archiver.kill()
                    archiver = self.restart("{p}/log", "--max-file-size=20KiB")
                    self.await_position(900)
                    archiver.stop()
                    self.assert_whole(900)


if __name__ == "__main__":
    unittest.main()
