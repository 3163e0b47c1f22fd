"""pubsub with --data-path: what was published is there after a crash, and who resumes by position
misses nothing and gets nothing twice (promises P1, P2, P3, P6)."""

import contextlib
import os
import random
import re
import socket
import threading
import unittest

from data_path_case import DataPathCase, disk_bytes
from harness import IS_SANITIZED, Connection, get, post, run_program, wait_until

# run.py runs this file against the sanitized programs too.
SANITIZED = True

SYNC_MODES = ("always", "none", "50ms")


class Lines:
    """A subscriber that reads "POSITION MESSAGE" lines, on a thread of its own, until it is cut."""

    def __init__(self, port, since, received):
        self.received = received
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=30)
        self._socket.sendall(b"GET /sub?format=lines&offsets=1&since=%s HTTP/1.0\r\nHost: h\r\n\r\n"
                             % since.encode())
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self):
        buffered = b""
        with contextlib.suppress(OSError):
            while b"\r\n\r\n" not in buffered:  # the head
                data = self._socket.recv(65536)
                if not data:
                    return
                buffered += data
            buffered = buffered.split(b"\r\n\r\n", 1)[1]
            while True:
                *lines, buffered = buffered.split(b"\n")
                for line in lines:
                    position, message = line.split(b" ", 1)
                    self.received.append((int(position), message))
                data = self._socket.recv(65536)
                if not data:
                    return
                buffered += data

    def close(self):
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._thread.join(30)
        self._socket.close()


class PubsubDataCase(DataPathCase):
    PROGRAM = "pubsub"

    def publish(self, pubsub, body, query="", headers=None):
        answer = post(pubsub.url("/pub?" + query), body, headers=headers or {})
        self.assertEqual(answer.status, 200, answer.text)
        return answer

    def past(self, pubsub, query="since=earliest"):
        """[(position, message)] of what is kept."""
        answer = get(pubsub.url("/sub?format=lines&offsets=1&until=now&" + query))
        self.assertEqual(answer.status, 200, answer.text)
        lines = answer.body.split(b"\n")
        self.assertEqual(lines.pop(), b"")
        return [(int(line.split(b" ")[0]), line.split(b" ", 1)[1]) for line in lines]


class Recovery(PubsubDataCase):
    def test_everything_comes_back(self):
        for sync in SYNC_MODES:
            with self.subTest(sync=sync):
                self.path = os.path.join(self.folder, sync)
                pubsub = self.start("--sync=" + sync)
                self.publish(pubsub, b"one\ntwo\n")
                self.publish(pubsub, b"\0\xff and\rmore", "topic=other&whole=1")
                self.assertEqual(self.publish(pubsub, b"three").header("X-Offset"), "2")
                pubsub = self.restarted(pubsub, "--sync=" + sync)
                self.assertEqual(self.past(pubsub), [(0, b"one"), (1, b"two"), (2, b"three")])
                self.assertEqual(self.past(pubsub, "topic=other&since=earliest"),
                                 [(0, b"\0\xff and\rmore")])
                self.assertEqual(self.past(pubsub, "since=1"), [(1, b"two"), (2, b"three")])
                self.assertEqual(self.publish(pubsub, b"four").header("X-Offset"), "3")
                self.assertRegex(pubsub.stderr(), r"recovered 4 messages \(0\.0 MB\) and 0 keys in "
                                                  r"2 topics from 0\.0 MB in 1 segment in \d+ ms")
                pubsub.stop()
                # A stop is as safe as a kill.
                with self.start("--sync=" + sync) as pubsub:
                    self.assertEqual(self.past(pubsub)[3:], [(3, b"four")])
                    # A sequence counts over all topics.
                    both = get(pubsub.url("/sub?topic=*&format=lines&offsets=1&since=earliest&until=now"))
                    self.assertEqual(both.body, b"0 default 0 one\n1 default 1 two\n"
                                                b"2 other 0 \0\xff and\rmore\n3 default 2 three\n"
                                                b"4 default 3 four\n")

    def test_a_repeated_key_publishes_nothing_after_a_crash_either(self):
        key = {"Idempotency-Key": "k1"}
        pubsub = self.start()
        first = self.publish(pubsub, b"a\nb", headers=key)
        pubsub = self.restarted(pubsub)
        again = self.publish(pubsub, b"a\nb", headers=key)
        self.assertEqual(again.text, first.text)
        self.assertEqual(again.header("X-Offset"), "0")
        self.assertEqual(again.header("Idempotency-Replayed"), "true")
        self.assertEqual(self.past(pubsub), [(0, b"a"), (1, b"b")])
        pubsub.stop()

    def test_what_is_let_go_is_told_and_its_files_go(self):
        args = ("--retain-bytes=100KB", "--segment-bytes=64KiB", "--sync=none")
        pubsub = self.start(*args)
        self.publish(pubsub, b"quiet", "topic=quiet")
        body = b"\n".join(b"%0100d" % i for i in range(100))
        for _ in range(100):
            self.publish(pubsub, body)
        wait_until(lambda: disk_bytes(self.path) <= 2 * 150_000 + 3 * 65536, what="files to go")
        for round_ in range(2):
            answer = get(pubsub.url("/sub?format=lines&since=5&until=now"))
            first = int(answer.header("X-Offset"))
            self.assertGreater(first, 8500)
            self.assertLessEqual(first, 9000)
            self.assertEqual(answer.header("X-Gap"), "missed=%d next=%d" % (first - 5, first))
            self.assertEqual(answer.body.count(b"\n") - 1, 10_000 - first)
            self.assertEqual(self.past(pubsub, "topic=quiet&since=earliest"), [(0, b"quiet")])
            if round_ == 0:
                pubsub = self.restarted(pubsub, *args)
        # Less is kept where less is asked for; and nothing, but that offsets go on.
        pubsub = self.restarted(pubsub, "--retain-bytes=1000", "--segment-bytes=64KiB")
        self.assertGreaterEqual(self.past(pubsub)[0][0], 9900)
        self.assertEqual(self.past(pubsub)[-1][0], 9999)
        pubsub = self.restarted(pubsub, "--retain-bytes=0", "--segment-bytes=64KiB")
        self.assertEqual(self.publish(pubsub, b"next").header("X-Offset"), "10000")
        pubsub = self.restarted(pubsub, "--retain-bytes=0", "--segment-bytes=64KiB")
        self.assertEqual(self.publish(pubsub, b"next").header("X-Offset"), "10001")
        pubsub.stop()

    @unittest.skipIf(IS_SANITIZED, "memory is measured on the release build")
    def test_a_large_body_waits_once_and_its_memory_is_given_back(self):
        def resident():
            with open("/proc/%d/status" % pubsub.pid) as file:
                return int(re.search(r"VmRSS:\s+(\d+) kB", file.read()).group(1)) * 1024

        with self.start("--sync=always") as pubsub:
            lines = b"\n".join(b"%0100d" % i for i in range(600_000))  # 60 MB
            self.publish(pubsub, b"warm")
            before = resident()
            for _ in range(2):
                self.publish(pubsub, lines)
            self.assertEqual(self.past(pubsub, "since=1200000"), [(1_200_000, b"%0100d" % 599_999)])
            wait_until(lambda: resident() < before + (30 << 20), what="memory to be given back")

    def test_damage_is_refused_and_can_be_salvaged(self):
        pubsub = self.start("--sync=always")
        for i in range(3):
            self.publish(pubsub, b"message %d" % i)
        pubsub.stop()
        segment = os.path.join(self.path, "%020d.journal" % 1)
        with open(segment, "r+b") as file:
            data = file.read()
            file.seek(data.index(b"message 1"))
            file.write(b"MESSAGE")
        refused = run_program("pubsub", "--port=0", "--data-path=" + self.path)
        self.assertEqual(refused.returncode, 1)
        self.assertRegex(refused.stderr, r"%020d\.journal:\d+" % 1)
        with self.start("--salvage") as pubsub:
            gap = get(pubsub.url("/sub?format=lines&offsets=1&since=1&until=now"))
            self.assertEqual(gap.header("X-Gap"), "missed=1 next=2")
            self.assertEqual(gap.body, b"2 message 2\n")
            skipped = get(pubsub.url("/sub?format=lines&since=earliest&until=now&slow=skip"))
            self.assertEqual(skipped.body.split(b"\n")[0], b"\r")
            self.assertEqual(skipped.body.split(b"\n")[1:],
                             [b"message 0", b'{"_gap_":{"missed":1,"next":2}}', b"message 2", b""])
            self.assertEqual(self.publish(pubsub, b"next").header("X-Offset"), "3")


class Crashes(PubsubDataCase):
    def crash_loop(self, sync, rounds):
        """Writers of numbered messages; kill -9 at random; a subscriber that goes on where it was."""
        rng = random.Random(int.from_bytes(sync.encode(), "big"))
        received = []
        acknowledged = [[] for _ in range(2)]
        sent = [0, 0]
        for _ in range(rounds):
            pubsub = self.start("--sync=" + sync, "--segment-bytes=64KiB", "--retain-bytes=8MiB")
            since = str(received[-1][0] + 1) if received else "earliest"
            subscriber = Lines(pubsub.port, since, received)

            def write(writer):
                with contextlib.suppress(OSError, EOFError):
                    with Connection(pubsub.port) as connection:
                        while True:
                            lines = [b"%d %d" % (writer, sent[writer] + i) for i in range(rng.randint(1, 20))]
                            sent[writer] += len(lines)
                            body = b"\n".join(lines) + b"\n" + b"-" * rng.randint(1, 1000)
                            if connection.request("POST", "/pub", body).status != 200:
                                return
                            acknowledged[writer].extend(lines)

            writers = [threading.Thread(target=write, args=(w,), daemon=True) for w in range(2)]
            for writer in writers:
                writer.start()
            floor = len(received) + rng.randint(1, 400)
            wait_until(lambda: len(received) >= floor or not any(w.is_alive() for w in writers),
                       what="messages")
            pubsub.kill()
            for writer in writers:
                writer.join(30)
            subscriber.close()
        pubsub = self.start("--sync=" + sync, "--segment-bytes=64KiB", "--retain-bytes=8MiB")
        end = int(self.publish(pubsub, b"last").header("X-Offset"))
        subscriber = Lines(pubsub.port, str(received[-1][0] + 1), received)
        wait_until(lambda: received[-1][0] >= end, what="the last message")
        subscriber.close()
        kept = self.past(pubsub)
        pubsub.stop()
        # Dense: none is missed, none comes twice.
        self.assertEqual([offset for offset, _ in received], list(range(end + 1)))
        # What was told before a crash is what is there after it.
        self.assertEqual(kept, received)
        for writer, lines in enumerate(acknowledged):
            self.assertGreater(len(lines), rounds)
            mine = [m for _, m in received if m.startswith(b"%d " % writer)]
            self.assertEqual(mine, sorted(set(mine), key=lambda m: int(m.split()[1])))
            self.assertEqual(set(lines) - set(mine), set())

    def test_kill_9_with_sync_always(self):
        self.crash_loop("always", 8)

    def test_kill_9_with_sync_none(self):
        self.crash_loop("none", 8)

    def test_kill_9_with_an_interval(self):
        self.crash_loop("20ms", 4)


class Failures(PubsubDataCase):
    def full_disk(self, sync):
        with self.small_disk():
            ballast = os.path.join(self.path, "ballast")
            with open(ballast, "wb") as file:
                file.write(b"x" * (2 << 20))
            args = ("--segment-bytes=256KiB", "--sync=" + sync, "--retain-bytes=64MiB")
            pubsub = self.start(*args)
            received = []
            subscriber = Lines(pubsub.port, "earliest", received)
            acknowledged = []
            for i in range(1000):
                body = b"%d " % i + b"x" * 5000
                answer = post(pubsub.url("/pub"), body)
                if answer.status != 200:
                    break
                acknowledged.append(body)
            self.assertEqual(answer.status, 507, answer.text)
            self.assertGreater(len(acknowledged), 100)
            ping = get(pubsub.url("/ping"))
            self.assertEqual(ping.status, 503)
            self.assertIn("No space left", ping.text)
            self.assertEqual(post(pubsub.url("/pub"), b"more").status, 507)
            # What only reads goes on.
            self.assertEqual([m for _, m in self.past(pubsub)][:len(acknowledged)], acknowledged)
            os.unlink(ballast)
            wait_until(lambda: get(pubsub.url("/ping")).status == 200, what="pubsub to heal")
            self.publish(pubsub, b"after")
            wait_until(lambda: received and received[-1][1] == b"after", what="what was published")
            subscriber.close()
            pubsub = self.restarted(pubsub, *args)
            # What was taken back is there, as subscribers saw it; of what was refused nothing is.
            self.assertEqual(self.past(pubsub), received)
            self.assertEqual([offset for offset, _ in received], list(range(len(received))))
            bodies = [message for _, message in received]
            self.assertEqual(bodies[:len(acknowledged)], acknowledged)
            self.assertLessEqual(len(bodies), len(acknowledged) + 2)
            pubsub.stop()

    def test_a_full_disk_refuses_and_heals_with_sync_always(self):
        self.full_disk("always")

    def test_a_full_disk_refuses_and_heals_with_sync_none(self):
        self.full_disk("none")

    def test_a_second_process_on_the_data_path_does_not_start(self):
        with self.start() as pubsub:
            second = run_program("pubsub", "--port=0", "--data-path=" + self.path)
            self.assertEqual(second.returncode, 1)
            self.assertEqual(second.stderr, "pubsub: --data-path=%s: in use by process %d\n"
                             % (self.path, pubsub.pid))


if __name__ == "__main__":
    unittest.main()
