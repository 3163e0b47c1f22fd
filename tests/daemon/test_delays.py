"""What delays, times to live and keys of /put do in the real simplequeue."""

import unittest

from harness import Daemon, get, post, wait_until
from queue_requests import SHORT, put, stats

SANITIZED = True


class DelayTtlAndKeys(unittest.TestCase):
    def test_a_delayed_put_waits(self):
        with Daemon("simplequeue") as queue:
            put(queue, b"later", "delay=" + SHORT)
            put(queue, b"much later", "delay=10m")
            put(queue, b"now", "delay=0")
            self.assertEqual(get(queue.url("/get")).body, b"now")
            wait_until(lambda: get(queue.url("/get")).body == b"later", what="the delayed message")
            self.assertEqual(stats(queue)["deferred"], 1)
            post(queue.url("/mput?delay=10m"), b"x\ny")
            self.assertEqual(stats(queue)["deferred"], 3)
            for bad in ("x", "-1s", "99999h99", "5000d", ""):
                answer = get(queue.url("/put?data=a&delay=" + bad))
                self.assertEqual(answer.status, 400, bad)
                self.assertIn("delay=" + bad, answer.text)

    def test_a_message_past_its_time_to_live_is_dropped(self):
        with Daemon("simplequeue") as queue:
            put(queue, b"short", "ttl=" + SHORT)
            put(queue, b"long", "ttl=10m")
            post(queue.url("/mput?ttl=" + SHORT), b"x\ny")
            wait_until(lambda: stats(queue)["expired"] == 3, what="the end of their time")
            self.assertEqual(get(queue.url("/mget?items=9")).body, b"long\n")
            for bad in ("0", "x", "-1"):
                self.assertEqual(get(queue.url("/put?data=a&ttl=" + bad)).status, 400, bad)

    def test_a_repeated_key_is_dropped_within_the_window(self):
        with Daemon("simplequeue", "--dedupe-window=10m", "--max-keys=2") as queue:
            first = put(queue, b"a", "key=k1")
            self.assertIsNone(first.header("X-Duplicate"))
            get(queue.url("/get"))
            again = put(queue, b"other", "key=k1")
            self.assertEqual((again.header("X-Message-Id"), again.header("X-Duplicate"), again.body),
                             ("1", "1", b""))
            put(queue, b"b", "key=k2")
            put(queue, b"c")
            # Another queue has keys of its own.
            self.assertIsNone(put(queue, b"a", "key=k1&queue=q").header("X-Duplicate"))
            numbers = stats(queue)
            self.assertEqual((numbers["puts"], numbers["depth"], numbers["duplicates"]), (3, 2, 1))
            full = get(queue.url("/put?data=d&key=k3"))
            self.assertEqual(full.status, 503)
            self.assertIn("--max-keys=2", full.text)
            for key in ("", "x" * 257):
                self.assertEqual(get(queue.url("/put?data=d&key=" + key)).status, 400)
            self.assertEqual(post(queue.url("/mput?key=k"), b"a").status, 400)

    def test_a_key_is_forgotten_after_the_window(self):
        with Daemon("simplequeue", "--dedupe-window=" + SHORT, "--max-keys=1") as queue:
            put(queue, b"a", "key=k")
            wait_until(lambda: put(queue, b"b", "key=k").header("X-Duplicate") is None,
                       what="the end of the window")
            self.assertEqual(stats(queue)["depth"], 2)

    def test_a_key_without_a_window_is_refused(self):
        with Daemon("simplequeue") as queue:
            answer = get(queue.url("/put?data=a&key=k"))
            self.assertEqual(answer.status, 400)
            self.assertIn("--dedupe-window", answer.text)
            self.assertEqual(stats(queue)["puts"], 0)


if __name__ == "__main__":
    unittest.main()
