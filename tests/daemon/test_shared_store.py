"""The real queuereader on a store that others have, too: a Redis that is away, full, read-only or locked, a
folder, and a task of one's own in a process of its own."""

import collections
import json
import os
import re
import unittest
import urllib.parse

from harness import Daemon, get, post, run_program, wait_until
from reader_case import ReaderCase
from redis_server import RedisServer

COUNTED = "histogram:field=n,scale=integer,name=n,store=shared"

# Keeps the store, so that what others count is in its summary, too.
OWN = """
#include "queuereader/task.h"
struct Own : rivulet::Task {
  explicit Own(rivulet::TaskArgs& args) : store(args.store()) {}
  rivulet::Outcome Run(const rivulet::Message& message, rivulet::Context& context) override {
    const auto n = message.Number("n");
    const auto seen = context.store().SortedAdd("own", std::to_string(static_cast<int>(*n) % 3), *n);
    return seen.ok() ? rivulet::Outcome::Done() : rivulet::Outcome::Failed(seen.status().message());
  }
  void Summarize(rivulet::Summary& summary) const override {
    const auto top = store->SortedTop("own", -1);
    if (!top.ok()) return summary.Text("trouble", top.status().message());
    for (const auto& item : *top) summary.Number(item.name, item.number);
  }
  rivulet::Store* store;
};
RIVULET_TASK(Own)
"""


def numbers(*each, **more):
    return "".join(json.dumps({"n": n, **more}) + "\n" for n in each)


class SharedStoreCase(ReaderCase):
    @classmethod
    def compile(cls, name, source):
        pass  # these tests need no plugins but their own

    def setUp(self):
        super().setUp()
        self.queue = self.enterContext(Daemon("simplequeue"))

    def put(self, text):
        self.assertEqual(post(self.queue.url("/mput"), text).status, 200)

    def start(self, store, *args, task=COUNTED):
        reader = Daemon("queuereader", *self.args(
            "--source=" + self.queue.url(), "--store=" + store, "--http-address=127.0.0.1:0",
            "--sleeptime-queue-empty=10ms", "--requeue-delay=10ms", "--task=" + task, *args),
            listens=True)
        self.addCleanup(reader.kill)
        return reader

    def redis(self, *options, **more):
        return self.enterContext(RedisServer(*options, **more))

    def in_queue(self):
        counts = self.queue.stats()["queues"]["default"]
        return {state: counts[state] for state in ("depth", "in_flight", "deferred", "dead")}

    def await_trouble(self, reader, pattern):
        """Until the reader says so of its store."""
        wait_until(lambda: re.search(pattern, reader.stats()["store"]["last_error"] or ""),
                   what="%r of the store" % pattern)

    def await_counted(self, redis, right, key="n"):
        wait_until(lambda: redis.hash(key) == right, what="%r at %s" % (right, key))


class RedisAway(SharedStoreCase):
    def test_a_redis_that_is_not_there_at_the_start_is_waited_for_and_no_time_limit_ends_that(self):
        # A machine that stands still for so long makes the task seem to hang: it is asked again.
        for limit in (0.2, 1.5, 8):
            try:
                return self.wait_for_longer_than(limit)
            except (AssertionError, OSError):
                if limit == 8 or "no answer within" not in self.reader.stderr():
                    raise
                self.setUp()

    def wait_for_longer_than(self, limit):
        redis = self.redis(start=False)
        reader = self.reader = self.start(redis.url, "--task-timeout=%gs" % limit)
        self.put(numbers(1, 2, 2))
        self.await_trouble(reader, r"cannot be reached")
        wait_until(lambda: reader.stats()["store"]["waited_seconds"] > 3 * limit, 60)
        self.assertIn("the store is away: " + redis.url, get(reader.url("/stats")).text)
        self.assertEqual(get(reader.url("/ping")).status, 503)
        redis.start()
        self.await_counted(redis, {"1": "1", "2": "2"})
        wait_until(lambda: reader.stats()["store"]["last_error"] is None)
        self.assertEqual(get(reader.url("/ping")).status, 200)
        reader.stop()

    def test_a_stop_while_it_is_waited_for_puts_the_messages_back_and_charges_them_no_try(self):
        redis = self.redis(start=False)
        reader = self.start(redis.url, "--max-tries=1")
        self.put(numbers(1, 2))
        self.await_trouble(reader, r"cannot be reached")
        wait_until(lambda: self.in_queue()["in_flight"] == 2)
        reader.stop()
        self.assertEqual(self.in_queue(), {"depth": 2, "in_flight": 0, "deferred": 0, "dead": 0})
        redis.start()
        # With one try each they would be given up, had that been one.
        reader = self.start(redis.url, "--max-tries=1")
        self.await_counted(redis, {"1": "1", "2": "1"})
        reader.stop()
        self.assertEqual(self.set_aside(), {})

    def test_one_that_is_killed_in_the_middle_is_waited_for(self):
        redis = self.redis("--appendonly", "yes", "--appendfsync", "always")
        reader = self.start(redis.url)
        self.put(numbers(1))
        self.await_counted(redis, {"1": "1"})
        redis.kill()
        self.put(numbers(1, 2))
        self.await_trouble(reader, re.escape(redis.url))
        redis.start()
        self.await_counted(redis, {"1": "2", "2": "1"})
        reader.stop()


class RedisRemembers(SharedStoreCase):
    def test_that_a_message_was_counted_takes_a_bit_or_so(self):
        redis = self.redis()
        self.put(numbers(*[n % 5 for n in range(2000)]))
        reader = self.start(redis.url)
        self.await_counted(redis, {str(n): "400" for n in range(5)})
        reader.stop()
        remembered = redis.ask("KEYS", "rivulet|once|*")
        self.assertLessEqual(len(remembered), 3)
        self.assertLess(sum(redis.ask("MEMORY", "USAGE", key) for key in remembered), 2000)


class RedisRefuses(SharedStoreCase):
    def test_a_wrong_password_ends_the_reader_at_its_start_with_a_line_that_says_so(self):
        redis = self.redis(password="secret")
        wrong = self.path("wrong", "wrong\n")
        for args in (["--store=" + redis.url.replace("secret", "wrong")],
                     ["--store=redis+unix://" + redis.socket_path, "--store-password-file=" + wrong],
                     ["--store=redis+unix://" + redis.socket_path]):
            with self.subTest(args=args):
                done = run_program("queuereader", "--source=" + self.queue.url(), "--task=" + COUNTED, *args,
                                   "--failed-message-dir=" + self.failed)
                self.assertIn(done.returncode, (1, 2))
                said = done.stderr.splitlines()
                self.assertRegex(said[-1], "--store: .*(refuses the password: WRONGPASS|needs a password: NOAUTH)")
                self.assertNotIn("wrong@", done.stderr)

    def test_the_right_password_of_a_file_does(self):
        redis = self.redis(password="secret")
        reader = self.start("redis+unix://" + redis.socket_path,
                            "--store-password-file=" + self.path("right", "secret\n"))
        self.put(numbers(7))
        self.await_counted(redis, {"7": "1"})
        reader.stop()

    def test_a_full_and_a_read_only_redis_are_waited_for_and_cost_no_try(self):
        redis = self.redis()
        reader = self.start(redis.url, "--max-tries=1")
        right = {}
        for number, wrong, lifted, pattern in (
                (1, ("CONFIG", "SET", "maxmemory", "1"), ("CONFIG", "SET", "maxmemory", "0"), "OOM"),
                (2, ("REPLICAOF", "127.0.0.1", "1"), ("REPLICAOF", "NO", "ONE"), "READONLY")):
            self.assertEqual(redis.ask(*wrong), "OK")
            self.put(numbers(number))
            self.await_trouble(reader, pattern)
            redis.ask(*lifted)
            right[str(number)] = "1"
            self.await_counted(redis, right)
        reader.stop()
        self.assertEqual(self.set_aside(), {})

    def test_a_key_of_the_wrong_kind_costs_its_messages_alone_and_is_named(self):
        redis = self.redis()
        redis.ask("SET", "n|bad", "a text")
        reader = self.start(redis.url, "--max-tries=1", task=COUNTED + ",by=k")
        self.put(numbers(*range(9), k="good") + numbers(5, k="bad") + numbers(9, k="good"))
        wait_until(lambda: self.in_queue() == {"depth": 0, "in_flight": 0, "deferred": 0, "dead": 1})
        self.assertEqual(redis.hash("n|good"), {str(n): "1" for n in range(10)})
        self.assertEqual(redis.hash("n:counts"), {"count": "10"})
        self.assertEqual(redis.ask("GET", "n|bad"), b"a text")
        self.assertIn("key 'n|bad' holds a text, and not a hash", reader.stderr())
        reader.stop()
        self.assertEqual([letter["data"]["k"] for letter in map(json.loads, sum(self.set_aside().values(), []))],
                         ["bad"])


class FileStore(SharedStoreCase):
    def summary(self, reader, name="n"):
        return get(reader.url("/tasks/" + urllib.parse.quote(name) + "?format=json")).json()

    def test_a_folder_is_exact_though_its_reader_is_killed(self):
        folder = "file:" + os.path.join(self.folder, "store")
        each = [n * n % 97 for n in range(4000)]
        self.put(numbers(*each))
        begun = 0
        for _ in range(3):
            reader = self.start(folder, "--lease=500ms", "--mget-items=20")
            wait_until(lambda: self.summary(reader)["count"] > begun)
            reader.kill()
            begun += 500
        reader = self.start(folder, "--lease=500ms")
        wait_until(lambda: self.summary(reader)["count"] >= len(each) and not any(self.in_queue().values()))
        self.assertEqual({row["value"]: row["count"] for row in self.summary(reader)["buckets"]},
                         dict(collections.Counter(each)))
        reader.stop()

    def test_a_second_reader_of_a_folder_is_refused(self):
        folder = os.path.join(self.folder, "store")
        reader = self.start("file:" + folder)
        done = run_program("queuereader", "--source=" + self.queue.url(), "--task=" + COUNTED,
                           "--store=file:" + folder, "--failed-message-dir=" + self.failed)
        self.assertIn(done.returncode, (1, 2))
        self.assertRegex(done.stderr.splitlines()[-1], "--store: .*" + re.escape(folder))
        reader.stop()


class OwnTask(SharedStoreCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        ReaderCase.compile.__func__(cls, "own", OWN)

    def test_a_task_in_a_process_of_its_own_has_the_readers_store(self):
        path = self.path("messages", numbers(*range(30)))
        right = {str(rest): float(sum(n for n in range(30) if n % 3 == rest)) for rest in range(3)}
        redis = self.redis()
        for where in ("memory:", "file:" + os.path.join(self.folder, "store"), redis.url):
            for isolated in ((), ("--isolate",)):
                with self.subTest(store=where, isolated=isolated):
                    found = self.run_json("--source=file:" + path, "--store=" + where, self.plugin("own"), *isolated)
                    self.assertEqual(found["tasks"][0]["summary"], right)
                if where != "memory:":
                    right = {rest: 2 * total for rest, total in right.items()}
            right = {str(rest): float(sum(n for n in range(30) if n % 3 == rest)) for rest in range(3)}


if __name__ == "__main__":
    unittest.main()
