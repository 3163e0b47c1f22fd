"""simplequeue looked at and managed: states, bounds, numbers, and the same on disk."""

import base64
import json
import os
import tempfile
import time
import unittest

from harness import Connection, Daemon, get, post
from queue_requests import lease, peek, put, stats, waiting

# run.py runs this file against the sanitized programs too.
SANITIZED = True


class Managing(unittest.TestCase):
    def test_peek_shows_every_state_and_takes_nothing(self):
        with Daemon("simplequeue") as queue:
            post(queue.url("/mput"), b"dead\nleased\nready 1\nready 2")
            put(queue, b"\xff", "delay=10m")
            post(queue.url("/bury"), lease(queue))
            lease(queue)
            self.assertEqual([m["body"] for m in peek(queue, "ready")], ["ready 1", "ready 2"])
            self.assertEqual([m["body"] for m in peek(queue, "ready", 1)], ["ready 1"])
            leased, = peek(queue, "in_flight")
            self.assertEqual(set(leased), {"id", "state", "attempts", "put_at", "due", "body"})
            self.assertEqual((leased["id"], leased["state"], leased["attempts"], leased["body"]),
                             (2, "in_flight", 1, "leased"))
            self.assertAlmostEqual(leased["due"], time.time() + 600, delta=60)
            deferred, = peek(queue, "deferred")
            self.assertEqual((deferred["id"], base64.b64decode(deferred["body_base64"])), (5, b"\xff"))
            self.assertEqual([m["body"] for m in peek(queue, "dead")], ["dead"])
            self.assertEqual(len(get(queue.url("/peek")).text.splitlines()), 1)
            self.assertEqual(peek(queue, "ready", name="never"), [])
            answer = get(queue.url("/peek?state=gone"))
            self.assertEqual(answer.status, 400)
            self.assertIn("state=gone: must be ready, in_flight, deferred, dead", answer.text)
            self.assertEqual(get(queue.url("/peek?items=0")).status, 400)
            self.assertEqual(get(queue.url("/dump")).body, b"ready 1\nready 2\n")

    def test_peek_is_bounded(self):
        with Daemon("simplequeue") as queue:
            post(queue.url("/mput"), b"\n".join([b"x"] * 1500))
            self.assertEqual(len(peek(queue, "ready", 1_000_000)), 1000)
            get(queue.url("/empty"))
            for _ in range(3):
                put(queue, b"y" * 3_000_000)
            self.assertEqual(len(peek(queue, "ready", 10)), 1)
            get(queue.url("/empty"))
            put(queue, b"z" * 5_000_000)
            self.assertEqual(len(peek(queue, "ready", 10)[0]["body"]), 5_000_000)

    def test_a_paused_queue_takes_and_gives_nothing(self):
        with Daemon("simplequeue") as queue:
            for name in ("default", "fresh"):
                answer = get(queue.url("/pause?queue=" + name))
                self.assertEqual((answer.status, answer.body), (200, b""))
                put(queue, b"a", "queue=" + name)
                self.assertEqual(get(queue.url("/get?queue=" + name)).body, b"")
                self.assertEqual(get(queue.url("/mget?queue=" + name)).body, b"")
                self.assertEqual(get(queue.url("/get?lease=9s&queue=" + name)).status, 204)
                self.assertEqual(stats(queue, name)["depth"], 1)
                self.assertEqual(post(queue.url("/unpause?queue=" + name), b"").body, b"")
                self.assertEqual(get(queue.url("/get?queue=" + name)).body, b"a")
            self.assertEqual(get(queue.url("/unpause?queue=never")).status, 200)
            self.assertEqual(get(queue.url("/pause?queue=a%20b")).status, 400)

    def test_empty_forgets_one_state_or_all(self):
        with Daemon("simplequeue") as queue:
            def fill():
                post(queue.url("/mput"), b"dead\nleased\nr1\nr2")
                put(queue, b"d", "delay=10m")
                post(queue.url("/bury"), lease(queue))
                return lease(queue)
            receipt = fill()
            for state, count in (("ready", 2), ("in_flight", 1), ("deferred", 1), ("dead", 1)):
                answer = get(queue.url("/empty?state=" + state))
                self.assertEqual((answer.status, answer.text), (200, "emptied %d\n" % count))
            self.assertEqual(post(queue.url("/finish"), receipt).text, "finished 0\n%s\n" % receipt)
            fill()
            self.assertEqual(get(queue.url("/empty")).text, "emptied 2\n")
            self.assertEqual(get(queue.url("/empty?state=all")).text, "emptied 3\n")
            self.assertEqual(stats(queue)["held_bytes"], 0)
            answer = get(queue.url("/empty?state=x"))
            self.assertEqual(answer.status, 400)
            self.assertIn("ready, in_flight, deferred, dead or all", answer.text)
            self.assertEqual(get(queue.url("/empty?queue=never")).text, "emptied 0\n")

    def test_queues_are_listed(self):
        with Daemon("simplequeue") as queue:
            post(queue.url("/mput?queue=jobs"), b"a\nb\nc")
            lease(queue, query="&queue=jobs")
            post(queue.url("/bury"), lease(queue, query="&queue=jobs"))
            put(queue, b"x", "queue=jobs&delay=10m")
            get(queue.url("/pause?queue=jobs"))
            self.assertEqual(get(queue.url("/queues")).text,
                             "default ready:0 in_flight:0 deferred:0 dead:0 paused:0\n"
                             "jobs ready:1 in_flight:1 deferred:1 dead:1 paused:1\n")
            self.assertEqual(get(queue.url("/queues?format=json")).json()[1],
                             {"name": "jobs", "ready": 1, "in_flight": 1, "deferred": 1, "dead": 1,
                              "paused": True})
            self.assertEqual(get(queue.url("/queues?format=xml")).status, 400)

    def test_looking_makes_no_queue(self):
        with Daemon("simplequeue") as queue:
            for target in ("get?", "mget?", "get?lease=9s&", "peek?", "stats?", "dump?", "kick?", "empty?",
                           "unpause?"):
                self.assertIn(get(queue.url("/%squeue=never" % target)).status, (200, 204), target)
            self.assertEqual(list(stats(queue)["queues"]), ["default"])
            for bad in ("a%20b", "x" * 65, ""):
                for target in ("peek?", "kick?", "empty?", "pause?", "unpause?", "get?lease=9s&", "get?wait=9s&"):
                    self.assertEqual(get(queue.url("/%squeue=%s" % (target, bad))).status, 400, target)


class Bounds(unittest.TestCase):
    def test_what_is_leased_deferred_and_dead_counts_too(self):
        with Daemon("simplequeue", "--max-depth=3") as queue:
            post(queue.url("/mput"), b"dead\nleased")
            post(queue.url("/bury"), lease(queue))
            receipt = lease(queue)
            put(queue, b"later", "delay=10m")
            full = get(queue.url("/put?data=x"))
            self.assertEqual(full.status, 503)
            self.assertIn("--max-depth=3", full.text)
            self.assertIn("Retry-After", dict(full.headers))
            post(queue.url("/finish"), receipt)
            self.assertEqual(get(queue.url("/put?data=x")).status, 200)

    def test_only_ready_messages_make_room_in_the_overflow_log(self):
        with tempfile.TemporaryDirectory() as folder:
            log = os.path.join(folder, "overflow.log")
            with Daemon("simplequeue", "--max-depth=2", "--overflow-log=" + log) as queue:
                post(queue.url("/mput"), b"a\nb")
                receipts = [lease(queue), lease(queue)]
                self.assertEqual(get(queue.url("/put?data=c")).status, 503)
                self.assertEqual(post(queue.url("/mput"), b"c\nd\ne").status, 503)
                self.assertEqual(os.path.getsize(log), 0)
                post(queue.url("/finish"), receipts[0])
                # The last one fits; those before it pass.
                self.assertEqual(post(queue.url("/mput"), b"c\nd\ne").status, 200)
                self.assertEqual(get(queue.url("/dump")).body, b"e\n")
                post(queue.url("/finish"), receipts[1])
            with open(log, "rb") as file:
                self.assertEqual(file.read(), b"c\nd\ne\n")

    def test_a_replaced_body_must_fit(self):
        with Daemon("simplequeue", "--max-bytes=10") as queue:
            put(queue, b"12345")
            receipt = lease(queue)
            self.assertEqual(post(queue.url("/requeue?receipt=" + receipt), b"x" * 11).status, 503)
            self.assertEqual(post(queue.url("/requeue?receipt=" + receipt), b"x" * 10).text, "requeued 1\n")


class Numbers(unittest.TestCase):
    def test_stats_come_in_their_order(self):
        with Daemon("simplequeue") as queue:
            put(queue, b"a")
            text = get(queue.url("/stats?format=json")).text
            names = list(json.loads(text))
            self.assertEqual(names[:20], [
                "puts", "gets", "depth", "depth_high_water", "bytes", "overflow", "in_flight", "deferred",
                "dead", "requeues", "timeouts", "finished", "expired", "finish_missed", "data_path_bytes",
                "queues", "health", "start_time", "memory_bytes", "held_bytes"])
            self.assertGreaterEqual(json.loads(text)["oldest_ready_seconds"], 0)
            self.assertEqual(get(queue.url("/stats")).text,
                             "puts:1\ngets:0\ndepth:1\ndepth_high_water:1\nbytes:1\noverflow:0\n")

    def test_metrics_carry_them_by_queue(self):
        with Daemon("simplequeue", "--max-attempts=1") as queue:
            post(queue.url("/mput?queue=jobs"), b"a\nb\nc\nd")
            post(queue.url("/finish"), lease(queue, query="&queue=jobs"))
            post(queue.url("/requeue"), lease(queue, query="&queue=jobs"))
            lease(queue, query="&queue=jobs")
            text = get(queue.url("/metrics")).text
            for line in ("depth{Q} 1", "in_flight{Q} 1", "dead{Q} 1", "deferred{Q} 0", "finished_total{Q} 1",
                         "requeues_total{Q} 1", "timeouts_total{Q} 0", "gets_total{Q} 3", "waiting_polls 0"):
                self.assertIn("rivulet_queue_%s\n" % line.replace("Q", 'queue="jobs"'), text)
            self.assertRegex(text, r'rivulet_queue_oldest_ready_seconds\{queue="jobs"\} \S+\n')


class OnDisk(unittest.TestCase):
    """What of this a data path changes. What comes back is told in test_durability.py."""

    def setUp(self):
        self.folder = self.enterContext(tempfile.TemporaryDirectory())
        self.data_path = "--data-path=" + os.path.join(self.folder, "data")

    def test_a_receipt_does_not_outlive_the_process(self):
        queue = Daemon("simplequeue", self.data_path)
        put(queue, b"a")
        old = lease(queue)
        queue.kill()
        with Daemon("simplequeue", self.data_path) as queue:
            self.assertEqual(post(queue.url("/finish"), old).text, "finished 0\n%s\n" % old)
            self.assertEqual(stats(queue)["finish_missed"], 1)
            again = get(queue.url("/get?lease=10m"))
            self.assertEqual((again.body, again.header("X-Message-Id"), again.header("X-Attempts")),
                             (b"a", "1", "2"))
            self.assertEqual(post(queue.url("/finish"), old).text, "finished 0\n%s\n" % old)
            self.assertEqual(post(queue.url("/finish"), again.header("X-Receipt")).text, "finished 1\n")

    def test_every_sync_mode_answers_everything(self):
        for sync in ("always", "none", "20ms"):
            with self.subTest(sync=sync), Daemon(
                    "simplequeue", self.data_path, "--sync=" + sync, "--dedupe-window=10m") as queue:
                with waiting(queue, "/get?wait=1m&lease=10m", "/mget?wait=1m&items=2") as polls:
                    self.assertEqual(put(queue, b"a", "key=" + sync).header("X-Duplicate"), None)
                    self.assertEqual(put(queue, b"a", "key=" + sync).header("X-Duplicate"), "1")
                    receipt = polls[0].read_response().header("X-Receipt")
                    post(queue.url("/mput"), b"b\nc")
                    self.assertEqual(polls[1].read_response().body, b"b\nc")
                for verb, answer in (("touch?lease=1m&receipt=", "touched 1\n"),
                                     ("requeue?receipt=", "requeued 1\n")):
                    self.assertEqual(get(queue.url("/" + verb + receipt)).text, answer)
                self.assertEqual(post(queue.url("/bury"), lease(queue)).text, "buried 1\n")
                self.assertEqual(get(queue.url("/kick")).text, "kicked 1\n")
                self.assertEqual(get(queue.url("/mget?format=json")).json()[0]["body"], "a")
                self.assertEqual(get(queue.url("/pause")).status, 200)
                put(queue, b"d")
                self.assertEqual(get(queue.url("/unpause")).status, 200)
                self.assertEqual(get(queue.url("/empty")).text, "emptied 1\n")
                numbers = stats(queue)
                self.assertEqual((numbers["held_bytes"], numbers["health"]), (0, "ok"))
                self.assertGreater(numbers["data_path_bytes"], 0)
                self.assertGreater(numbers["journal"]["commits"], 0)
                text = get(queue.url("/metrics")).text
                self.assertIn('rivulet_journal_sync_duration_seconds_bucket{le="+Inf"} ', text)
                self.assertRegex(text, r"rivulet_journal_commits_total [1-9]")

    def test_a_bounded_queue_moves_its_oldest_out_and_keeps_the_rest(self):
        log = os.path.join(self.folder, "overflow.log")
        arguments = (self.data_path, "--max-depth=2", "--overflow-log=" + log)
        with Daemon("simplequeue", *arguments) as queue:
            post(queue.url("/mput"), b"a\nb")
            with Connection(queue.port) as connection:
                # Many in one turn: what moved out makes room before the journal has said so.
                for i in range(4):
                    connection.send(b"POST /put HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\n\r\n%d" % i)
                for _ in range(4):
                    self.assertEqual(connection.read_response().status, 200)
            numbers = stats(queue)
            self.assertEqual((numbers["depth"], numbers["overflow"], numbers["held_bytes"]), (2, 4, 2))
        with open(log, "rb") as file:
            self.assertEqual(file.read(), b"a\nb\n0\n1\n")
        with Daemon("simplequeue", *arguments) as queue:
            self.assertEqual(get(queue.url("/dump")).body, b"2\n3\n")

    def test_a_pipeline_is_answered_in_order_while_answers_are_held(self):
        with Daemon("simplequeue", self.data_path) as queue, Connection(queue.port) as connection:
            one = b"GET /put?data=%d HTTP/1.1\r\nHost: h\r\n\r\nGET /get HTTP/1.1\r\nHost: h\r\n\r\n"
            connection.send(b"".join(one % i for i in range(200)))
            for i in range(200):
                self.assertEqual(connection.read_response().header("X-Message-Id"), str(i + 1))
                self.assertEqual(connection.read_response().body, b"%d" % i)


if __name__ == "__main__":
    unittest.main()
