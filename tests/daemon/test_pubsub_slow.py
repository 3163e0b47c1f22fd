"""Slow consumers of pubsub: kicked and told why, and without cost for the others (P6, P7)."""

import json
import os
import re
import threading
import unittest

from harness import Connection, Daemon, get, post, wait_until
from pubsub_streams import LINES_HEAD, PARTS_HEAD, Subscriber, part

# run.py runs this file against the sanitized programs too.
SANITIZED = True


class SlowConsumerTest(unittest.TestCase):
    MESSAGE = b"m" * 9_999

    def publish_until(self, daemon, done, limit=20_000, heard=lambda count: True):
        """Publishes batches of ten messages until done(); returns how many messages. Goes on only when
        who is to keep up has heard(so many)."""
        with Connection(daemon.port) as publisher:
            for i in range(limit):
                body = b"".join(b"%06d" % (i * 10 + j) + self.MESSAGE[6:] + b"\n" for j in range(10))
                self.assertEqual(publisher.request("POST", "/pub", body).status, 200)
                if i % 10 < 9:
                    continue
                wait_until(lambda: heard((i + 1) * 10), 30, "a subscriber that keeps up")
                if done():
                    return (i + 1) * 10
        raise AssertionError("not after %d messages" % (limit * 10))

    def kicked(self, daemon):
        return daemon.stats()["kicked_clients"]

    def check_slow(self, query, first, frame):
        with Daemon("pubsub", "--max-pending=300KiB") as daemon:
            slow = Subscriber(daemon.port, query, first)
            quick = Subscriber(daemon.port)
            got = []

            def read():
                with quick:  # closed when the stream has ended: the daemon waits for that
                    while chunk := quick.read_chunk():
                        got.append(chunk)

            reading = threading.Thread(target=read)
            reading.start()
            count = self.publish_until(
                daemon, lambda: self.kicked(daemon) > 0,
                heard=lambda count: sum(map(len, got)) >= count * len(self.MESSAGE + b"\n"))
            stats = daemon.stats()
            self.assertEqual((stats["kicked_clients"], stats["current_connections"]), (1, 1))
            self.assertEqual(stats["kicked_by_reason"], {"too_slow": 1, "fell_off": 0, "unreadable": 0})
            self.assertEqual(post(daemon.url("/pub"), b"more").text,
                             "Published 1 messages to 1 clients.\n")
            stream = slow.read_to_end()  # to the last chunk: the framing of HTTP holds, too
            slow.close()
            # Whole messages in order from the first one, then the notice, all framed alike.
            pattern = re.compile(rb"\AERROR_TOO_SLOW\. kicked for having (\d+) pending bytes\Z")
            at = 0
            for i in range(count):
                message = frame(b"%06d" % i + self.MESSAGE[6:])
                if not stream.startswith(message, at):
                    break
                at += len(message)
            self.assertGreater(i, 0)
            notice = stream[at:]
            text = re.search(rb"ERROR_TOO_SLOW[^\r\n]*", notice).group(0)
            self.assertEqual(notice, frame(text))
            self.assertGreater(int(pattern.match(text).group(1)), 300 * 1024)
            self.assertEqual(daemon.stop(), 0)
            reading.join(20)
            self.assertEqual(b"".join(got), b"".join(
                b"%06d" % i + self.MESSAGE[6:] + b"\n" for i in range(count)) + b"more\n")
            self.assertIn("kicked", daemon.stderr())

    def test_a_stalled_subscriber_of_lines_is_kicked_and_told_in_a_line(self):
        self.check_slow("?multipart=0", LINES_HEAD, lambda message: message + b"\n")

    def test_a_stalled_subscriber_of_parts_is_kicked_and_told_in_a_part(self):
        self.check_slow("", PARTS_HEAD, part)

    def test_a_slow_subscriber_that_skips_is_told_what_it_misses_and_goes_on(self):
        with Daemon("pubsub", "--max-pending=300KiB") as daemon, \
                Subscriber(daemon.port, "?format=framed&offsets=1&slow=skip", b"") as slow:
            count = self.publish_until(daemon, lambda: daemon.stats()["skipped_messages"] > 0)
            client = get(daemon.url("/clients?format=json")).json()[0]
            self.assertEqual(client["slow"], "skip")
            post(daemon.url("/pub"), b"last")
            expected, missed, last = 0, 0, b""
            while last != b"last":
                line = b""
                while not line.endswith(b"\n"):
                    line += slow.read_bytes(1)
                position, size = line.split()
                last = slow.read_bytes(int(size) + 1)[:-1]
                if position == b"-":
                    gap = json.loads(last)["_gap_"]
                    expected += gap["missed"]
                    missed += gap["missed"]
                    self.assertEqual(gap["next"], expected)
                    continue
                self.assertEqual(int(position), expected)
                self.assertEqual(last[:6], b"last" if expected == count else b"%06d" % expected)
                expected += 1
            self.assertEqual(expected, count + 1)
            stats = daemon.stats()
            self.assertEqual((stats["skipped_messages"], stats["kicked_clients"]), (missed, 0))
            self.assertEqual(stats["messages_sent"], count + 1 - missed)
            self.assertGreater(stats["gaps"], 0)

    def test_a_replay_that_falls_off_what_is_kept_is_kicked_and_told(self):
        with Daemon("pubsub", "--retain-bytes=32MiB") as daemon:
            # More than the sockets between us take.
            self.publish_until(daemon, lambda: get(
                daemon.url("/topics")).json()[0]["next_offset"] >= 3000)
            with Subscriber(daemon.port, "?multipart=0&since=earliest&client=back") as slow:
                self.publish_until(daemon, lambda: get(
                    daemon.url("/topics")).json()[0]["first_offset"] > 3000)
                self.assertIn(" replaying client:back\n", get(daemon.url("/clients")).text)
                stream = slow.read_to_end()
            self.assertIn(b"ERROR_TOO_SLOW", stream.splitlines()[-1])
            messages = [line for line in stream.splitlines() if not line.startswith(b"ERROR")]
            self.assertEqual([message[:6] for message in messages[:10]],
                             [b"%06d" % i for i in range(10)])
            stats = daemon.stats()
            self.assertEqual(stats["kicked_by_reason"],
                             {"too_slow": 0, "fell_off": 1, "unreadable": 0})

    def test_a_hundred_stalled_subscribers_cost_one_copy(self):
        """P7: what a hundred have not read is held once, and goes when they are kicked."""
        # A sanitizer would keep freed blocks aside for a while.
        sanitizer = {"ASAN_OPTIONS": os.environ.get("ASAN_OPTIONS", "") + ":quarantine_size_mb=1"}
        with Daemon("pubsub", "--max-pending=20MiB", env=sanitizer) as daemon:
            stalled = [Subscriber(daemon.port, "?multipart=0&client=s%d" % i) for i in range(100)]
            with Subscriber(daemon.port) as quick:
                reading = threading.Thread(target=lambda: self.drain(quick))
                reading.start()
                base = daemon.resident_bytes()
                peak = 0

                def done():
                    nonlocal peak
                    peak = max(peak, daemon.resident_bytes())
                    return self.kicked(daemon) == 100

                self.publish_until(daemon, done)
                self.assertLess(peak - base, 60 << 20)
                stats = daemon.stats()
                self.assertEqual(stats["current_connections"], 1)
                wait_until(lambda: daemon.stats()["memory_bytes"] < 8 << 20)
                for reader in stalled:
                    reader.close()
                self.assertLess(daemon.resident_bytes() - base, 20 << 20)
                self.assertEqual(daemon.stop(), 0)
                reading.join(20)

    def drain(self, reader):
        with reader:
            while reader.read_chunk():
                pass

    def test_a_burst_does_not_kick_who_reads(self):
        with Daemon("pubsub", "--max-pending=64KiB") as daemon, Subscriber(daemon.port) as reader:
            large = b"L" * (4 << 20)
            for _ in range(5):
                self.assertEqual(post(daemon.url("/pub"), large).status, 200)
                self.assertEqual(reader.read_bytes(len(large) + 1), large + b"\n")
            self.assertEqual(self.kicked(daemon), 0)

    def test_a_kicked_subscriber_is_listed_no_more(self):
        with Daemon("pubsub", "--max-pending=100KiB") as daemon, Subscriber(daemon.port) as slow:
            self.publish_until(daemon, lambda: self.kicked(daemon) == 1)
            self.assertEqual(get(daemon.url("/clients")).text, "no /sub connections\n")
            self.assertIn(b"ERROR_TOO_SLOW", slow.read_to_end())


if __name__ == "__main__":
    unittest.main()
