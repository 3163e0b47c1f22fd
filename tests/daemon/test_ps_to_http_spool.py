"""The spool of ps_to_http: what waits for a destination survives the destination, the bridge and the disk."""

import os
import sys
import threading
import unittest

from bridge_case import RealCase, ids, numbers, summary
from harness import ROOT, Sink, free_port, get, run_program, wait_until

sys.path.insert(0, os.path.join(ROOT, "tests", "torture"))
from shim import Fault  # noqa: E402

# run.py runs this file against the sanitized programs too.
SANITIZED = True


class SpoolCase(RealCase):
    def setUp(self):
        super().setUp()
        self.spool = self.path("spool")
        self.port = free_port()  # of the destination, which is down at first

    def start(self, source, *args, paths=("/put",), port=None, **more):
        urls = ["--destination-post-url=http://127.0.0.1:%d%s" % (port or self.port, path)
                for path in paths]
        return self.bridge(source, "--spool-path=" + self.spool, "--http-address=127.0.0.1:0",
                           *urls, *args, listens=True, **more)

    def await_spooled(self, bridge, count):
        wait_until(lambda: bridge.stats()["spool"]["committed"] >= count, 20,
                   "%d messages in the spool" % count)

    def destination(self, answer=None):
        sink = Sink(answer, port=self.port)
        self.addCleanup(sink.close)
        return sink

    def bodies(self, sink, target=None):
        with sink.lock:
            return [r.body for r in sink.requests if target in (None, r.target)]


class Restarts(SpoolCase):
    def test_what_a_killed_bridge_had_read_arrives_though_its_source_forgot_it(self):
        source = self.daemon("pubsub")  # keeps nothing
        first = self.start(source)
        wait_until(lambda: first.stats()["source"]["connected"], 20)
        self.publish(source, ids(500))
        self.await_spooled(first, 500)
        first.kill()
        sink = self.destination()
        second = self.start(source)
        wait_until(lambda: len(self.bodies(sink)) == 500, 20)
        second.stop()
        self.assertEqual(self.bodies(sink), ids(500))
        self.assertEqual(summary(second), (500, 500, 0, 0))

    def test_told_to_stop_it_leaves_what_waits_in_the_spool(self):
        source = self.pubsub()
        first = self.start(source, "--drain-timeout=60s")
        self.publish(source, ids(100))
        wait_until(lambda: first.stats()["pending"] == 100, 20)
        first.stop(expected=0, timeout=20)
        self.assertEqual(summary(first), (100, 0, 0, 100))
        self.assertIn("100 messages wait in the spool", first.stderr())
        self.publish(source, ids(50, 100))
        sink = self.destination()
        second = self.start(source)
        wait_until(lambda: len(self.bodies(sink)) == 150, 20)
        second.stop()
        # Each once: the spool remembers where its source was.
        self.assertEqual(self.bodies(sink), ids(150))

    def test_a_destination_that_is_down_holds_no_other_and_misses_nothing(self):
        source = self.pubsub()
        with Sink() as good:
            # One URL is up, the other down.
            args = ["--destination-post-url=" + good.url("/good")]
            first = self.start(source, *args)
            self.publish(source, ids(200))
            wait_until(lambda: len(self.bodies(good)) == 200, 20)
            wait_until(lambda: first.stats()["destinations"][0]["lag"] == 200, 20)
            first.stop()
            sink = self.destination()
            second = self.start(source, *args)
            wait_until(lambda: len(self.bodies(sink)) == 200, 20)
            second.stop()
            self.assertEqual(self.bodies(sink), ids(200))
            self.assertEqual(self.bodies(good), ids(200))

    def test_round_robin_shares_what_waited(self):
        source = self.pubsub()
        args = {"paths": ("/a", "/b")}
        first = self.start(source, "--round-robin", **args)
        self.publish(source, ids(40))
        self.await_spooled(first, 40)
        first.stop()
        # No answer before the other destination was asked too: the turns can be counted.
        both = threading.Barrier(2, timeout=20)

        def answer(method, target, body):
            both.wait()
            return 200

        sink = self.destination(answer)
        second = self.start(source, "--round-robin", **args)
        wait_until(lambda: len(self.bodies(sink)) == 40, 20)
        second.stop()
        self.assertEqual(sorted(self.bodies(sink)), ids(40))
        for path in ("/a", "/b"):
            self.assertEqual(len(self.bodies(sink, path)), 20)

    def test_one_spool_is_one_bridges(self):
        source = self.pubsub()
        first = self.start(source)
        result = run_program("ps_to_http", "--pubsub-url=" + source.url(), "--spool-path=" + self.spool,
                             "--destination-post-url=http://127.0.0.1:1/")
        self.assertEqual(result.returncode, 1)
        self.assertIn(self.spool, result.stderr)
        self.assertTrue(first.running())

    def test_the_offset_file_follows_the_spool(self):
        source = self.pubsub()
        offsets = self.path("offsets")
        first = self.start(source, "--offset-file=" + offsets)
        self.publish(source, ids(30))
        self.await_spooled(first, 30)
        first.stop()
        with open(offsets, encoding="ascii") as text:
            self.assertIn("\n30 http://", text.read())


class Full(SpoolCase):
    BIG = ids(300, size=20_000)  # 6 MB

    def test_a_full_spool_lets_the_source_wait(self):
        source = self.pubsub()
        bridge = self.start(source, "--spool-max-bytes=1MiB", "--max-pending-bytes=256KiB")
        self.publish(source, self.BIG)
        wait_until(lambda: bridge.stats()["source"]["paused"], 20)
        sink = self.destination()
        wait_until(lambda: len(self.bodies(sink)) == 300, 30)
        bridge.stop()
        self.assertTrue(self.bodies(sink) == self.BIG)
        self.assertEqual(summary(bridge), (300, 300, 0, 0))

    def test_or_it_drops_the_oldest_and_counts_them(self):
        source = self.pubsub()
        bridge = self.start(source, "--spool-max-bytes=1MiB", "--spool-full=drop-oldest",
                            "--max-pending-bytes=256KiB")
        self.publish(source, self.BIG)
        wait_until(lambda: bridge.stats()["received"] == 300, 30)
        wait_until(lambda: bridge.stats()["dropped"] > 0, 20)
        sink = self.destination()
        wait_until(lambda: bridge.stats()["pending"] == 0, 30)
        bridge.stop()
        found = numbers(bridge)
        self.assertEqual(found["received"], 300)
        self.assertEqual(found["delivered"] + found["dropped"], 300)
        self.assertGreater(found["delivered"], 10)  # the newest MiB or what fits in it
        arrived = self.bodies(sink)
        self.assertTrue(arrived[-1] == self.BIG[-1])
        self.assertTrue(set(arrived) <= set(self.BIG))


class Disk(SpoolCase):
    def test_a_full_disk_loses_nothing_and_heals(self):
        source = self.pubsub()
        os.mkdir(self.spool)
        fault = Fault(self.spool, op="write", nth=3, action="ENOSPC")
        bridge = self.start(source, "--spool-sync=always", env=fault.env)
        sent = ids(400)
        for i in range(0, 400, 100):
            self.publish(source, sent[i:i + 100])
            wait_until(lambda: bridge.stats()["received"] >= i + 100 or fault.hit(), 20)
        wait_until(fault.hit, 20)
        self.await_spooled(bridge, 400)
        self.assertEqual(get(bridge.url("/ping")).status, 200)
        sink = self.destination()
        wait_until(lambda: len(set(self.bodies(sink))) == 400, 20)
        bridge.stop()
        self.assertEqual(self.bodies(sink), sent)

    def test_a_broken_disk_ends_it_with_1_after_what_is_there_was_delivered(self):
        source = self.pubsub()
        os.mkdir(self.spool)
        fault = Fault(self.spool, op="sync", nth=4, action="EIO", times=0)
        sink = self.destination()
        bridge = self.start(source, "--spool-sync=always", env=fault.env)
        sent = ids(200)
        for i in range(200):
            if not bridge.running() or fault.hit():
                break
            self.publish(source, sent[i:i + 1])
        self.assertEqual(bridge.wait(), 1)
        self.assertIn("the source is not read any more", bridge.stderr())
        arrived = self.bodies(sink)
        found = numbers(bridge)
        self.assertEqual(found["pending"], 0)
        self.assertEqual(arrived, sent[:len(arrived)])
        # Started again on a sound disk it goes on where it was sure to be: nothing is missing.
        second = self.start(source)
        wait_until(lambda: set(self.bodies(sink)) == set(sent[:i + 1]) or
                   len(set(self.bodies(sink))) >= i, 20)
        second.stop()


if __name__ == "__main__":
    unittest.main()
