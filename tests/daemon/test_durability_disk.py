"""simplequeue with --data-path on a disk: how much of it is used, and one that is full (promise P2)."""

import os
import unittest

from data_path_case import disk_bytes
from harness import Connection, framed, get, post, unframed, wait_until
from queue_data_case import QueueDataCase
from queue_requests import peek, stats

# run.py runs this file against the sanitized programs too.
SANITIZED = True


class Disk(QueueDataCase):
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


if __name__ == "__main__":
    unittest.main()
