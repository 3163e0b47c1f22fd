"""Where bandit's arms come from: its own reader with a store in memory, a Redis that goes and comes back, a
folder that a queuereader has."""

import json
import os
import socket
import tempfile
import threading
import unittest

from harness import Daemon, Sink, get, post, run_program, wait_until
from redis_server import RedisServer

SANITIZED = True

def event(kind, item, **more):
    return json.dumps({"type": kind, "item": item, **more}) + "\n"


class BanditCase(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name

    def path(self, name):
        return os.path.join(self.folder, name)

    def bandit(self, *args):
        bandit = Daemon("bandit", "--port=0", "--refresh=20ms", *args, listens=True)
        self.addCleanup(bandit.kill)
        return bandit

    def learning(self, queue, *args, task="bandit:items=a+b,refresh=0"):
        return self.bandit("--source=" + queue.url(), "--task=" + task, "--sleeptime-queue-empty=10ms",
                           "--requeue-delay=10ms", "--failed-message-dir=" + self.path("failed"), *args)

    def stats(self, bandit):
        return get(bandit.url("/stats?format=json")).json()

    def counters(self, bandit):
        """{item: (clicks, impressions)} as the store has them."""
        arms = get(bandit.url("/arms?format=json")).json()["arms"]
        return {arm["item"]: (arm["clicks"], arm["impressions"]) for arm in arms}

    def await_counters(self, bandit, right):
        wait_until(lambda: self.counters(bandit) == right, what="%r at /arms" % right)


class OwnReaderTest(BanditCase):
    def setUp(self):
        super().setUp()
        self.queue = self.enterContext(Daemon("simplequeue"))

    def put(self, *events):
        self.assertEqual(post(self.queue.url("/mput"), "".join(events)).status, 200)

    def test_counts_what_its_queue_has_and_goes_on_from_its_checkpoint(self):
        state = "--checkpoint-dir=" + self.path("state")
        bandit = self.learning(self.queue, state)
        self.await_counters(bandit, {"a": (1, 1), "b": (1, 1)})
        self.put(*[event("impression", "a")] * 7, event("click", "a"), event("impression", "b"),
                 event("impression", "gone"), event("view", "a"))
        self.await_counters(bandit, {"a": (2, 8), "b": (1, 2)})
        stats = wait_until(lambda: (s := self.stats(bandit))["impressions"] == 9 and s)
        self.assertEqual((stats["arms"], stats["clicks"], stats["late"], stats["health"]), (2, 1, 1, "ok"))
        self.assertEqual(stats["reader"]["finished"], 11)
        self.assertEqual(stats["store"], "memory:")
        self.assertRegex(get(bandit.url("/stats")).text, r"(?m)^store_status: ok\n(.*\n)*reader:\n")
        self.assertIn("\nrivulet_bandit_arms 2\n", get(bandit.url("/metrics")).text)
        bandit.stop()
        left = get(self.queue.url("/stats?format=json")).json()
        self.assertEqual((left["depth"], left["in_flight"]), (0, 0))
        again = self.learning(self.queue, state)
        self.await_counters(again, {"a": (2, 8), "b": (1, 2)})
        self.put(event("click", "b"))
        self.await_counters(again, {"a": (2, 8), "b": (2, 2)})
        again.stop()

    def test_a_client_that_is_half_open_does_not_keep_the_reader_from_its_end(self):
        state = ("--checkpoint-dir=" + self.path("state"), "--checkpoint-every=1h")
        bandit = self.learning(self.queue, *state, "--drain-timeout=300ms")
        self.put(*[event("impression", "a")] * 20)
        self.await_counters(bandit, {"a": (1, 21), "b": (1, 1)})
        with socket.create_connection(("127.0.0.1", bandit.port)) as client:
            client.sendall(b"GET /item HTTP/1.1\r\nHost:")
            wait_until(lambda: "\nrivulet_http_connections 2\n" in get(bandit.url("/metrics")).text)
            bandit.stop()
        self.assertIn("did not end within", bandit.stderr())
        self.assertIn("20 messages read, 20 finished", bandit.stderr())
        left = get(self.queue.url("/stats?format=json")).json()
        self.assertEqual((left["depth"], left["in_flight"]), (0, 0))
        again = self.learning(self.queue, *state)
        self.await_counters(again, {"a": (1, 21), "b": (1, 1)})
        again.stop()

    def test_a_task_that_hangs_ends_the_learning_and_not_the_answers(self):
        done = threading.Event()
        self.addCleanup(done.set)

        def answer(*_):
            done.wait(20)
            return 200, b'["a", "b"]'
        catalogue = self.enterContext(Sink(answer))
        bandit = self.learning(self.queue, "--task-timeout=200ms", "--fallback=z", "--drain-timeout=1s",
                               task="bandit:catalogue=%s,arms=2,refresh=1" % catalogue.url("/"))
        self.assertEqual(get(bandit.url("/item")).text, "z")  # no start waits for a catalogue
        self.assertEqual(get(bandit.url("/ping")).status, 200)
        self.put(event("impression", "a"))  # of no item yet: it waits
        wait_until(lambda: get(bandit.url("/ping")).status == 503, what="503 at /ping")
        self.assertIn("hang", get(bandit.url("/ping")).text)
        self.assertIn("until this process is started again", get(bandit.url("/ping")).text)
        self.assertEqual(get(bandit.url("/item")).text, "z")
        bandit.stop(expected=1)
        # Its message went back, with a try charged.
        wait_until(lambda: get(self.queue.url("/stats?format=json")).json()["in_flight"] == 0,
                   what="nothing in flight")

    def test_a_redis_that_says_nothing_holds_up_neither_the_start_nor_the_end(self):
        silent = self.enterContext(socket.create_server(("127.0.0.1", 0)))
        url = "redis://127.0.0.1:%d?timeout=60s" % silent.getsockname()[1]
        bandit = self.learning(self.queue, "--store=" + url, "--fallback=z")
        self.assertEqual(get(bandit.url("/item")).text, "z")
        self.put(event("impression", "a"))
        bandit.stop(expected=None)

    def test_the_store_of_the_reader_may_be_redis_under_other_names(self):
        redis = self.enterContext(RedisServer())
        bandit = self.learning(self.queue, "--store=" + redis.url,
                               task="bandit:items=a+b,refresh=0,key=shop,experiments=shop:n")
        self.await_counters(bandit, {"a": (1, 1), "b": (1, 1)})
        self.put(event("impression", "a"), event("click", "a"))
        self.await_counters(bandit, {"a": (2, 2), "b": (1, 1)})
        self.assertEqual(redis.ask("GET", "shop:n"), b"1")
        redis.ask("HINCRBY", "shop", "i|b", 4)
        self.await_counters(bandit, {"a": (2, 2), "b": (1, 5)})
        # A stop does not wait for a store that is away.
        redis.kill()
        self.put(event("impression", "a"))
        wait_until(lambda: self.stats(bandit)["store_error"], what="an error of the store")
        self.assertEqual(get(bandit.url("/ping")).status, 200)
        bandit.stop(expected=None)


class RedisTest(BanditCase):
    def setUp(self):
        super().setUp()
        self.redis = self.enterContext(RedisServer())

    def fill(self, **items):
        for item, (clicks, impressions) in items.items():
            self.redis.ask("HSET", "items", "c|" + item, clicks, "i|" + item, impressions)

    def item(self, bandit):
        answer = get(bandit.url("/item"))
        return answer.text, answer.header("X-Arms")

    def test_what_others_count_is_seen_and_the_last_known_arms_serve_while_it_is_away(self):
        self.fill(a=(2, 9))
        bandit = self.bandit("--store=" + self.redis.url, "--fallback=z", "--stale-after=100ms")
        self.await_counters(bandit, {"a": (2, 9)})
        self.redis.ask("HINCRBY", "items", "c|a", 3)
        self.await_counters(bandit, {"a": (5, 9)})
        self.assertEqual(self.item(bandit), ("a", "current"))
        self.redis.kill()
        wait_until(lambda: self.item(bandit) == ("a", "last-known"), what="the last known arms")
        self.assertRegex(get(bandit.url("/stats")).text, r"(?m)^store_status: away: ")
        self.assertEqual(get(bandit.url("/ping")).status, 200)
        self.assertIn("\nrivulet_bandit_store_up 0\n", get(bandit.url("/metrics")).text)
        self.redis.start()
        wait_until(lambda: self.item(bandit) == ("z", "fallback"), what="the fallback of an empty server")
        self.fill(b=(1, 1))
        wait_until(lambda: self.item(bandit) == ("b", "current"), what="the new arms")
        # An item whose counters are none is left out, and said to be.
        self.fill(d=(1, 1))
        self.redis.ask("HSET", "items", "c|b", "many")
        trouble = wait_until(lambda: self.stats(bandit)["trouble"], what="what is left out")
        self.assertRegex(trouble, r"\bb\b")
        self.assertIn("\ntrouble: " + trouble, get(bandit.url("/stats")).text)
        self.assertEqual(self.item(bandit), ("d", "current"))
        bandit.stop()

    def test_one_that_never_was_there_leaves_the_fallback(self):
        self.redis.kill()
        bandit = self.bandit("--store=" + self.redis.url, "--fallback=z")
        wait_until(lambda: self.stats(bandit)["failures"] > 0, what="a failure")
        self.assertEqual(self.item(bandit), ("z", "fallback"))
        self.redis.start()
        self.fill(a=(1, 1))
        wait_until(lambda: self.item(bandit) == ("a", "current"), what="the arms")

    def test_with_refresh_0_the_next_answer_knows_of_a_change(self):
        self.fill(a=(1, 1))
        bandit = self.bandit("--store=" + self.redis.url, "--refresh=0", "--fallback=z")
        self.assertEqual(self.item(bandit)[0], "a")
        for item in "bcdefg":
            self.redis.ask("DEL", "items")
            self.fill(**{item: (1, 1)})
            self.redis.ask("HINCRBY", "items:bandit", "round", 1)
            answer = get(bandit.url("/item?format=json")).json()
            self.assertEqual(answer["items"][0]["item"], item)
        self.assertEqual(answer["round"], 6)
        self.assertEqual(self.stats(bandit)["readings"], 8)  # with that of the start
        self.redis.kill()
        self.assertEqual(self.item(bandit), ("g", "last-known"))
        self.redis.start()
        self.fill(h=(1, 1))
        wait_until(lambda: self.item(bandit) == ("h", "current"), what="the arms that came back")


class FileTest(BanditCase):
    def test_the_folder_that_a_queuereader_has_is_read_beside_it(self):
        queue = self.enterContext(Daemon("simplequeue"))
        store = "--store=file:" + self.path("store")
        bandit = self.bandit(store, "--fallback=z")
        self.assertEqual(get(bandit.url("/item")).text, "z")
        reader = Daemon("queuereader", "--source=" + queue.url(), store, "--task=bandit:items=a+b,refresh=0",
                        "--sleeptime-queue-empty=10ms", "--failed-message-dir=" + self.path("failed"))
        self.addCleanup(reader.kill)
        self.await_counters(bandit, {"a": (1, 1), "b": (1, 1)})
        for n in range(1, 4):
            post(queue.url("/mput"), event("impression", "b") + event("click", "a"))
            self.await_counters(bandit, {"a": (1 + n, 1), "b": (1, 1 + n)})
        reader.kill()
        self.assertIn(get(bandit.url("/item")).text, ("a", "b"))
        bandit.stop()


class OptionsTest(unittest.TestCase):
    def test_wrong_options_exit_2_with_one_line_that_says_what_would_be_right(self):
        source = "--source=http://127.0.0.1:1"
        for args, right in (
                ((), "must come with --source"),
                (("--store=disk:x",), "must be redis://HOST, file:DIR or memory:"),
                (("--store=redis://:secret@",), "redis://"),
                (("--store=file:x", "--refresh=0"), "at least 1ms"),
                (("--store=redis://127.0.0.1", "--refresh=1us"), "must be at least 1ms, or 0"),
                (("--store=redis://127.0.0.1", "--task=bandit:items=a"), "--task goes with --source"),
                (("--store=redis://127.0.0.1", "--checkpoint-dir=x"), "--checkpoint-dir goes with --source"),
                (("--store=redis://127.0.0.1", "--max-tries=2"), "--max-tries goes with --source"),
                (("--store=file:x", "--store-password-file=x"), "goes with --store=redis://HOST"),
                (("--store=redis://:secret@127.0.0.1", "--store-password-file=x"), "must hold no password"),
                ((source, "--task=bandit:items=a", "--policy=lin-ucb", "--features=x"), "learns no context"),
                ((source, "--task=bandit:items=a,features=x+y", "--policy=lin-ucb", "--features=y+x"),
                 "must be features=x+y of --task"),
                ((source, "--task=bandit:items=a", "--forget-sources"), "goes with --checkpoint-dir"),
                ((source, "--task=bandit:arms=x"), "--task: "),
                ((source,), "one must be bandit"),
                ((source, "--task=count"), "one must be bandit"),
                (("--source=file:x", "--task=bandit:items=a"), "must be http://HOST:PORT"),
                ((source, "--task=bandit:items=a", "--lease=1ms"), "must be at least 100ms"),
                ((source, "--task=bandit:items=a", "--checkpoint-every=5"), "goes with --checkpoint-dir")):
            with self.subTest(args):
                done = run_program("bandit", "--port=0", *args)
                self.assertEqual((done.returncode, done.stdout), (2, ""))
                self.assertIn(right, done.stderr)
                self.assertEqual(done.stderr.count("\n"), 1)
                self.assertNotIn("secret", done.stderr)

    def test_what_the_reader_cannot_be_opened_with_today_ends_the_start_with_1(self):
        done = run_program("bandit", "--port=0", "--source=http://127.0.0.1:1", "--task=bandit:items=a",
                           "--store=redis://127.0.0.1", "--store-password-file=/no/such/file")
        self.assertEqual(done.returncode, 1)
        self.assertIn("/no/such/file", done.stderr)


if __name__ == "__main__":
    unittest.main()
