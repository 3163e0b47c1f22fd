"""Where ps_to_http reads from: several sources, positions over restarts and crashes, filters, bytes."""

import os
import random
import unittest

from bridge_case import BridgeCase, RealCase, ids, numbers, summary
from harness import ROOT, Daemon, Sink, get, wait_until
from scripted_http import ScriptedSource

# run.py runs this file against the sanitized programs too.
SANITIZED = True

CLICKS = os.path.join(os.path.dirname(ROOT), "shared", "data", "usagov_clicks.jsonl")
ASKED = "&format=framed&offsets=1&heartbeat=20s&since="


class Scripted(BridgeCase):
    def test_another_source_takes_over(self):
        # The first is chosen at random: whichever it is, the other one is next.
        sources = [ScriptedSource(), ScriptedSource()]
        with Sink() as self.sink:
            bridge = self.follow(sources)
            first = wait_until(lambda: next((s for s in sources if s.streams), None), 20)
            other = sources[1 - sources.index(first)]
            self.assertEqual(first.stream(0).target, "/sub?topic=t&multipart=0" + ASKED + "now")
            first.stream(0).cut()
            self.assertEqual(other.stream(0).target, "/sub?topic=t&multipart=0" + ASKED + "now")
            other.stream(0).send(b"m\n")
            self.await_requests(1)
            bridge.stop()

    def follow(self, sources):
        for source in sources:
            self.addCleanup(source.close)
        bridge = Daemon("ps_to_http", *["--pubsub-url=" + s.url("/sub?topic=t") for s in sources],
                        "--max-backoff=1ms", "--destination-post-url=" + self.sink.url("/put"))
        self.addCleanup(bridge.kill)
        return bridge

    def test_heartbeats_of_a_line_source_are_neither_messages_nor_an_end_of_silence(self):
        bridge = self.start("--max-silence=300ms")
        while bridge.running():
            try:
                self.stream.send(b'{"_heartbeat_":1763722800}\n')
            except OSError:
                break
            bridge.process.poll()
        self.assertEqual(bridge.wait(), 3)
        self.assertEqual(summary(bridge), (0, 0, 0, 0))

    def test_filters_keep_what_they_say(self):
        bridge = self.start("--filter-require=c=US", "--filter-require=c=DE",
                            "--filter-exclude=geo.city=Berlin")
        kept = [b'{"c":"US"}', b'{"c":"DE","geo":{"city":"Bonn"}}']
        for message in (kept[0], b'{"c":"FR"}', b'{"c":"DE","geo":{"city":"Berlin"}}', b"no json",
                        kept[1]):
            self.stream.send(message + b"\n")
        self.await_requests(2)
        bridge.stop()
        self.assertEqual(self.bodies(), kept)
        self.assertEqual(numbers(bridge), {"received": 2, "delivered": 2, "refused": 0, "pending": 0,
                                           "filtered": 3})


class Bytes(RealCase):
    SENT = [b"\n", b"\r", b"\0", b"x", b"two\nlines\n", b"\r\n", b"%s", b"\n\n", bytes(range(256)),
            random.Random(1).randbytes(8 << 20), b"last"]

    def test_every_kind_of_message_arrives_byte_for_byte(self):
        pubsub = self.pubsub()
        queue = self.daemon("simplequeue")
        self.publish(pubsub, self.SENT)
        for batch, path in ((100, "/mput"), (1, "/put")):
            with self.subTest(batch=batch):
                bridge = self.bridge(pubsub, "--batch=%d" % batch,
                                     "--destination-post-url=" + queue.url(path))
                wait_until(lambda: self.depth(queue) >= len(self.SENT), 30)
                bridge.stop()
                self.assertEqual(summary(bridge), (len(self.SENT), len(self.SENT), 0, 0))
                self.assertTrue(self.take_all(queue) == self.SENT)

    def test_empty_messages_are_messages(self):
        # A queue holds none, so somebody else takes them.
        pubsub = self.pubsub()
        self.publish(pubsub, [b"", b"a", b""])
        with Sink() as sink:
            bridge = self.bridge(pubsub, "--batch=10", "--destination-post-url=" + sink.url("/mput?x=1"))
            wait_until(lambda: len(sink.requests) == 3, 20)
            bridge.stop()
            self.assertEqual([(r.target, r.body) for r in sink.requests], [
                ("/mput?x=1&format=framed", b"0\n\n"), ("/mput?x=1", b"a\n"),
                ("/mput?x=1&format=framed", b"0\n\n")])

    def test_the_click_stream_arrives_byte_for_byte(self):
        if not os.path.exists(CLICKS):
            self.skipTest("no " + CLICKS)
        with open(CLICKS, "rb") as lines:
            sent = lines.read().split(b"\n")[:-1]
        pubsub = self.pubsub()
        queue = self.daemon("simplequeue")
        bridge = self.bridge(pubsub, "--batch=500", "--destination-post-url=" + queue.url("/mput"))
        self.publish(pubsub, sent)
        wait_until(lambda: self.depth(queue) >= len(sent), 30)
        bridge.stop()
        self.assertEqual(summary(bridge), (len(sent), len(sent), 0, 0))
        arrived = get(queue.url("/mget?items=%d" % len(sent))).body
        self.assertTrue(arrived.split(b"\n")[:len(sent)] == sent)


class Positions(RealCase):
    """A pubsub that keeps its past, and an offset file: nothing is lost, and how much comes twice."""

    def setUp(self):
        super().setUp()
        self.pubsub_daemon = self.pubsub()
        self.sink = Sink()
        self.addCleanup(self.sink.close)
        self.offsets = self.path("offsets")

    def start(self, *args):
        return self.bridge(self.pubsub_daemon, "--offset-file=" + self.offsets,
                           "--destination-post-url=" + self.sink.url("/put"), *args)

    def bodies(self):
        with self.sink.lock:
            return [request.body for request in self.sink.requests]

    def test_a_restart_goes_on_after_the_last_message(self):
        first = self.start()
        self.publish(self.pubsub_daemon, ids(50))
        wait_until(lambda: len(self.bodies()) == 50, 20)
        first.stop()
        with open(self.offsets, encoding="ascii") as text:
            self.assertRegex(text.read(), r"^rivulet source positions 1\n50 http://127.0.0.1:")
        self.publish(self.pubsub_daemon, ids(50, 50))
        second = self.start()
        wait_until(lambda: len(self.bodies()) == 100, 20)
        second.stop()
        self.assertEqual(self.bodies(), ids(100))
        self.assertEqual(summary(second), (50, 50, 0, 0))

    def test_a_restart_follows_the_source_that_was_followed_last(self):
        other = self.pubsub()
        urls = ["--pubsub-url=" + other.url("/sub?topic=t&since=earliest")]
        for round_number in range(4):
            # The first time anyone of the two is followed, at random.
            for pubsub in (self.pubsub_daemon, other):
                self.publish(pubsub, [b"%d %d" % (pubsub.port, round_number)])
            bridge = self.start(*urls)
            wait_until(lambda: len(self.bodies()) > round_number, 20)
            bridge.stop()
        followed = self.bodies()[0].split()[0]
        self.assertEqual(self.bodies(), [followed + b" %d" % i for i in range(4)])

    def test_a_source_is_known_whatever_its_url_says_of_since_and_token(self):
        for option in ("--offset-file=", "--spool-path="):
            with self.subTest(option), self.pubsub() as pubsub:
                args = (option + self.path("of" + option), "--max-backoff=100ms",
                        "--destination-post-url=" + self.sink.url("/put"))
                sent = ids(15)
                with self.sink.lock:
                    self.sink.requests.clear()
                for end, query in ((5, "&since=earliest"), (10, ""), (15, "&token=x&since=1")):
                    self.publish(pubsub, sent[end - 5:end])
                    bridge = self.daemon(
                        "ps_to_http", "--pubsub-url=" + pubsub.url("/sub?topic=t" + query), *args)
                    wait_until(lambda: len(self.bodies()) >= end, 20)
                    bridge.stop()
                    self.assertEqual(self.bodies(), sent[:end])

    def test_a_start_with_another_url_is_told_and_costs_no_position(self):
        for option in ("--offset-file=", "--spool-path="):
            with self.subTest(option), self.pubsub() as pubsub:
                args = (option + self.path("of" + option),
                        "--destination-post-url=" + self.sink.url("/put"))
                with self.sink.lock:
                    self.sink.requests.clear()
                for sent, queries in ((ids(5), ("/sub?topic=t&since=earliest", "/sub?topic=typo")),
                                      (ids(5, 5), ("/sub?topic=t",))):
                    self.publish(pubsub, sent)
                    for query in queries:
                        bridge = self.daemon("ps_to_http", "--pubsub-url=" + pubsub.url(query), *args)
                        typo = query.endswith("typo")
                        wait_until(lambda: self.bodies()[-5:] == sent, 20)
                        bridge.wait_for_log("following")
                        bridge.stop()
                        self.assertEqual("knows other sources, but not %s " % pubsub.url("/sub")
                                         in bridge.stderr(), typo, bridge.stderr())
                self.assertEqual(self.bodies(), ids(10))

    def test_what_was_not_delivered_is_read_again(self):
        first = self.start("--drain-timeout=10ms")
        self.sink.answer = lambda m, t, body: 200 if body < b"000010" else 500
        self.publish(self.pubsub_daemon, ids(30))
        wait_until(lambda: b"000010" in self.bodies(), 20)
        first.stop(expected=1)
        self.sink.answer = lambda m, t, body: 200
        with self.sink.lock:
            self.sink.requests.clear()
        second = self.start()
        wait_until(lambda: len(self.bodies()) == 20, 20)
        second.stop()
        self.assertEqual(self.bodies(), ids(30)[10:])

    def test_killed_at_any_moment_it_loses_nothing(self):
        sent = ids(2000)
        bridge = self.start()
        for i in range(4):
            self.publish(self.pubsub_daemon, sent[i * 500:(i + 1) * 500])
            wait_until(lambda: len(set(self.bodies())) > i * 500 + 100, 20)
            bridge.kill()
            bridge = self.start()
        wait_until(lambda: len(set(self.bodies())) == 2000, 30)
        bridge.wait_for_log("following")
        bridge.stop()
        self.assertEqual(sorted(set(self.bodies())), sent)

    def test_a_gap_is_told_and_counted(self):
        first = self.start()
        self.publish(self.pubsub_daemon, ids(5))
        wait_until(lambda: len(self.bodies()) == 5, 20)
        first.stop()
        port = self.pubsub_daemon.port
        self.pubsub_daemon.stop()
        self.pubsub_daemon = self.daemon("pubsub", "--port=%d" % port, "--retain-bytes=64KiB")
        # Another source under the same name, whose past begins later than where we were.
        self.publish(self.pubsub_daemon, [b"%01000d" % i for i in range(500)])
        second = self.start()
        wait_until(lambda: b"%01000d" % 499 in self.bodies(), 20)
        second.stop()
        found = numbers(second)
        self.assertIn("missed", found)
        self.assertEqual(found["received"] + found["missed"], 495)
        self.assertIn("%d messages were missed" % found["missed"], second.stderr())

    def test_an_offset_file_of_something_else_fails_the_start(self):
        with open(self.offsets, "w", encoding="ascii") as text:
            text.write("precious\n")
        bridge = self.start()
        self.assertEqual(bridge.wait(), 1)
        self.assertIn(self.offsets, bridge.stderr())
        with open(self.offsets, encoding="ascii") as text:
            self.assertEqual(text.read(), "precious\n")

    def test_silence_of_a_source_that_beats_is_silence(self):
        bridge = self.start("--max-silence=300ms")
        self.publish(self.pubsub_daemon, [b"m"])
        self.assertEqual(bridge.wait(), 3)
        self.assertEqual(self.bodies(), [b"m"])


if __name__ == "__main__":
    unittest.main()
