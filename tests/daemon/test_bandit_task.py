"""The task `bandit` in real queuereaders: several on one queue and one Redis, or one on a folder, killed in
the middle of their work. What is counted is what a plain count gives, and a set is seen whole or not at all.
The seed is printed; RIVULET_SEED repeats it.
"""

import collections
import json
import os
import random
import threading
import unittest

from harness import Daemon, Sink, get, post, run_program, wait_until
from reader_case import ReaderCase
from redis_server import RedisServer

SEED = int(os.environ.get("RIVULET_SEED", random.randrange(1, 100000)))
ITEMS = ["p%d" % n for n in range(12)]


def feedback(chance, count, items):
    """Events of a shop as messages; some of them none of ours, or of items that are not shown."""
    events = []
    for number in range(count):
        kind = chance.choices(("impression", "click", "page view"), (90, 9, 1))[0]
        events.append({"type": kind, "item": chance.choice(items), "n": number})
    return events


def lines(events):
    return "".join(json.dumps(event) + "\n" for event in events)


def counted(events, items):
    """The hash that a plain program makes of these, where nothing is refreshed."""
    counts = collections.Counter({field + item: 1 for item in items for field in ("c|", "i|")})
    for event in events:
        field = {"impression": "i|", "click": "c|"}.get(event["type"])
        if field and event["item"] in items:
            counts[field + event["item"]] += 1
    return {field: str(count) for field, count in counts.items()}


def seen(events, kind, items=None):
    return sum(event["type"] == kind and (items is None or event["item"] in items) for event in events)


class BanditTaskCase(ReaderCase):
    @classmethod
    def compile(cls, name, source):
        pass  # these tests need no plugins

    def setUp(self):
        super().setUp()
        print("seed", SEED, flush=True)
        self.chance = random.Random(SEED)
        self.queue = self.enterContext(Daemon("simplequeue"))

    def put(self, events):
        self.assertEqual(post(self.queue.url("/mput"), lines(events)).status, 200)

    def start(self, store, task):
        reader = Daemon("queuereader", *self.args(
            "--source=" + self.queue.url(), "--store=" + store, "--http-address=127.0.0.1:0", "--lease=500ms",
            "--mget-items=100", "--sleeptime-queue-empty=10ms", "--requeue-delay=10ms", "--task=" + task),
            listens=True)
        self.addCleanup(reader.kill)
        return reader

    def in_queue(self, *states):
        counts = get(self.queue.url("/stats?format=json")).json()["queues"]["default"]
        return sum(counts[state] for state in states)

    def await_all_done(self):
        wait_until(lambda: self.in_queue("depth", "in_flight", "deferred") == 0, 20, "the end of the queue")

    def feed_and_kill(self, events, readers, start):
        """In parts; after each of them one of the readers is killed in its work, and another one begins."""
        part = len(events) // 4
        for begin in range(0, len(events), part):
            self.put(events[begin:begin + part])
            wait_until(lambda: self.in_queue("depth") < part * 2 // 3, what="some of the messages")
            which = self.chance.randrange(len(readers))
            readers[which].kill()
            readers[which] = start()
        self.await_all_done()

    def stop(self, *readers):
        for reader in readers:
            reader.stop()
        self.assertEqual(self.set_aside(), {})


class OnRedis(BanditTaskCase):
    def test_counts_of_three_readers_that_are_killed_are_a_plain_count_s(self):
        redis = self.enterContext(RedisServer())
        task = "bandit:refresh=0,arms=10,items=" + "+".join(ITEMS[:10])
        readers = [self.start(redis.url, task) for _ in range(3)]
        wait_until(lambda: redis.hash("items") == counted([], ITEMS[:10]), 20, "the filled set")
        events = feedback(self.chance, 6000, ITEMS)
        self.feed_and_kill(events, readers, lambda: self.start(redis.url, task))
        self.assertEqual(redis.hash("items"), counted(events, ITEMS[:10]))
        self.assertEqual(redis.ask("GET", "experiments").decode(),
                         str(seen(events, "impression", ITEMS[:10])))
        self.assertEqual(redis.hash("items:bandit"), {
            "round": "1",
            "impressions": str(seen(events, "impression")),
            "counted_impressions": str(seen(events, "impression", ITEMS[:10])),
            "clicks": str(seen(events, "click")), "counted_clicks": str(seen(events, "click", ITEMS[:10]))})
        self.stop(*readers)

    def watch(self, redis, stopping, torn):
        fields = 0
        while not stopping.is_set():
            held = redis.hash("items")
            items = {field[2:] for field in held}
            fields += len(held)
            if len(items) != 10 or set(held) != {kind + item for item in items for kind in ("c|", "i|")}:
                torn.append(held)
        self.assertGreater(fields, 0)

    def test_a_set_is_refreshed_once_a_round_and_never_seen_torn(self):
        redis = self.enterContext(RedisServer())
        catalogue = self.path("catalogue", "".join("p%d\n" % n for n in range(60)))
        task = "bandit:refresh=200,arms=10,catalogue=" + catalogue
        readers = [self.start(redis.url, task) for _ in range(2)]
        stopping, torn = threading.Event(), []
        watcher = threading.Thread(target=self.watch, args=(redis, stopping, torn))
        watcher.start()
        events = feedback(self.chance, 12000, ["p%d" % n for n in range(60)])
        try:
            self.feed_and_kill(events, readers, lambda: self.start(redis.url, task))
        finally:
            stopping.set()
            watcher.join()
        self.assertEqual(torn, [])
        state = {name: int(count) for name, count in redis.hash("items:bandit").items()}
        self.assertEqual(state["impressions"], seen(events, "impression"))
        self.assertEqual(state["clicks"], seen(events, "click"))
        # What was counted is in the rounds that have ended, or in this one: nothing twice, nothing lost.
        rounds = {int(field): json.loads(text) for field, text in redis.hash("items:history").items()}
        self.assertEqual(sorted(rounds), list(range(1, state["round"] + 1)))
        self.assertGreater(len(rounds), 3)
        ended = sum(entry["impressions"] for entry in rounds.values())
        self.assertEqual(ended + int(redis.ask("GET", "experiments")), state["counted_impressions"])
        shown = set()
        for number in sorted(rounds):
            entry = rounds[number]
            self.assertLessEqual(set(entry["kept"]) | set(entry["dropped"]), shown)
            self.assertEqual(len(entry["kept"]), 5 if shown else 0)
            self.assertEqual(shown & set(entry["new"]), set())
            shown = set(entry["kept"]) | set(entry["new"])
            self.assertEqual(len(shown), 10)
            if number > 1:
                self.assertGreaterEqual(entry["impressions"], 200)
        self.assertEqual({field[2:] for field in redis.hash("items")}, shown)
        self.stop(*readers)


class OnAFolder(BanditTaskCase):
    def test_counts_of_a_reader_that_is_killed_are_a_plain_count_s(self):
        store = "file:" + os.path.join(self.folder, "store")
        task = "bandit:name=shop,refresh=0,arms=10,items=" + "+".join(ITEMS[:10])
        readers = [self.start(store, task)]
        events = feedback(self.chance, 4000, ITEMS)
        self.feed_and_kill(events, readers, lambda: self.start(store, task))
        summary = get(readers[0].url("/tasks/shop?format=json")).json()
        right = counted(events, ITEMS[:10])
        self.assertEqual({(row["item"], row["clicks"], row["impressions"]) for row in summary["arms"]},
                         {(item, int(right["c|" + item]), int(right["i|" + item])) for item in ITEMS[:10]})
        self.assertEqual(summary["impressions"], seen(events, "impression"))
        self.assertEqual(summary["late"], seen(events, "impression", ITEMS[10:])
                         + seen(events, "click", ITEMS[10:]))
        self.stop(*readers)


class Catalogues(ReaderCase):
    @classmethod
    def compile(cls, name, source):
        pass

    def bandit(self, url, shown, **more):
        """The summary after 20 impressions of an item, of which each fourth is to refresh the set."""
        source = self.path("events", lines([{"type": "impression", "item": shown}] * 20))
        args = "".join(",%s=%s" % each for each in more.items())
        found = self.run_json("--source=file:" + source, "--task=bandit:refresh=4,arms=3,catalogue=" + url + args)
        return found["tasks"][0]["summary"]

    def arms(self, summary):
        return {row["item"] for row in summary["arms"]}

    def test_by_http_it_is_asked_when_the_set_is_filled_and_refreshed(self):
        with Sink(lambda *_: (200, b'{"items":[{"id":"a"},{"id":"b"},{"id":"c"}]}')) as shop:
            found = self.bandit(shop.url("/items?of=shop"), "a")
            self.assertEqual(self.arms(found), {"a", "b", "c"})
            self.assertEqual({(r.method, r.target) for r in shop.requests}, {("GET", "/items?of=shop")})

    def test_an_elasticsearch_is_asked_for_so_many_at_random(self):
        hits = {"hits": {"hits": [{"_id": "p%d" % n, "_score": 1} for n in range(8)]}}
        with Sink(lambda *_: (200, json.dumps(hits).encode())) as search:
            found = self.bandit(search.url("/products/_search"), "p1", seed=3)
            self.assertEqual(len(self.arms(found)), 3)
            self.assertLessEqual(self.arms(found), {"p%d" % n for n in range(8)})
            first = search.requests[0]
            self.assertEqual((first.method, first.target), ("POST", "/products/_search"))
            self.assertEqual(first.headers["Content-Type"], "application/json")
            query = json.loads(first.body)
            self.assertEqual(query["size"], 3)
            self.assertIn("random_score", query["query"]["function_score"])

    def test_one_that_fails_is_no_reason_not_to_learn(self):
        for answer in ((500, b"[]"), (302, b"", {"Location": "/items"}), (200, b"[" + b'"x",' * 1200000),
                       (200, b"<html>")):
            with self.subTest(answer=answer[1][:10]), Sink(lambda *_: answer) as shop:
                found = self.bandit(shop.url("/items"), "a")
                self.assertGreaterEqual(found["catalogue_failures"], 1)
                self.assertEqual((found["impressions"], found["late"], found["round"]), (20, 20, 0))
                self.assertTrue(all(r.target == "/items" for r in shop.requests))

    def test_it_needs_one_and_says_so(self):
        done = run_program("queuereader", "--source=-", "--task=bandit")
        self.assertEqual(done.returncode, 2)
        self.assertIn("needs catalogue=FILE or catalogue=URL, or items=a+b+c", done.stderr)


if __name__ == "__main__":
    unittest.main()
