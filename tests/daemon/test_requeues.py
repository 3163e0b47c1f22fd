"""What becomes of leased messages that are not finished: requeued, touched, buried, kicked."""

import time
import unittest

from harness import Daemon, get, post, wait_until
from queue_requests import SHORT, lease, peek, put, stats

SANITIZED = True


class RequeueAndTouch(unittest.TestCase):
    def test_a_requeued_message_goes_to_the_tail(self):
        with Daemon("simplequeue") as queue:
            post(queue.url("/mput"), b"a\nb\nc")
            answer = get(queue.url("/requeue?receipt=" + lease(queue)))
            self.assertEqual((answer.status, answer.text), (200, "requeued 1\n"))
            self.assertEqual(get(queue.url("/dump")).body, b"b\nc\na\n")
            self.assertEqual(stats(queue)["requeues"], 1)
            self.assertEqual(peek(queue, "ready")[2]["attempts"], 1)

    def test_a_delay_defers_it(self):
        with Daemon("simplequeue") as queue:
            put(queue, b"a")
            get(queue.url("/requeue?delay=10m&receipt=" + lease(queue)))
            self.assertEqual(stats(queue)["deferred"], 1)
            self.assertAlmostEqual(peek(queue, "deferred")[0]["due"], time.time() + 600, delta=60)
            put(queue, b"b")
            get(queue.url("/requeue?delay=%s&receipt=%s" % (SHORT, lease(queue))))
            wait_until(lambda: get(queue.url("/get")).body == b"b", what="the deferred message")
            self.assertEqual(get(queue.url("/requeue?delay=-1&receipt=1-1-1-00000000")).status, 400)

    def test_data_replaces_the_body_of_exactly_one(self):
        with Daemon("simplequeue") as queue:
            post(queue.url("/mput"), b"a\nb")
            first = lease(queue)
            second = lease(queue)
            answer = post(queue.url("/requeue?data=new"), first + "\n" + second)
            self.assertEqual(answer.status, 400)
            self.assertIn("exactly one", answer.text)
            self.assertEqual(stats(queue)["in_flight"], 2)
            answer = get(queue.url("/requeue?data=new%20a&receipt=" + first))
            self.assertEqual(answer.text, "requeued 1\n")
            # What does not fit into a URL comes as the body.
            large = b"\0" + b"x" * 100_000
            self.assertEqual(post(queue.url("/requeue?receipt=" + second), large).text, "requeued 1\n")
            leased = get(queue.url("/get?lease=9s"))
            self.assertEqual((leased.body, leased.header("X-Message-Id"), leased.header("X-Attempts")),
                             (b"new a", "1", "2"))
            self.assertEqual(get(queue.url("/get")).body, large)
            # A stale receipt replaces nothing.
            answer = get(queue.url("/requeue?data=newer&receipt=" + first))
            self.assertEqual(answer.text, "requeued 0\n%s\n" % first)
            empty = get(queue.url("/requeue?data=&receipt=" + leased.header("X-Receipt")))
            self.assertEqual((empty.status, empty.text), (400, "missing data\n"))

    def test_touch_prolongs_a_lease(self):
        with Daemon("simplequeue") as queue:
            post(queue.url("/mput"), b"a\nb")
            touched = lease(queue, "500ms")
            witness = lease(queue, "500ms")
            answer = get(queue.url("/touch?lease=10m&receipt=" + touched))
            self.assertEqual((answer.status, answer.text), (200, "touched 1\n"))
            wait_until(lambda: stats(queue)["timeouts"] == 1, what="the end of the other lease")
            self.assertEqual(post(queue.url("/finish"), witness).text, "finished 0\n%s\n" % witness)
            self.assertEqual(post(queue.url("/finish"), touched).text, "finished 1\n")
            for query in ("", "lease=0&", "lease=13h&", "lease=x&"):
                answer = get(queue.url("/touch?%sreceipt=%s" % (query, touched)))
                self.assertEqual(answer.status, 400, query)

    def test_touch_can_also_shorten_it(self):
        with Daemon("simplequeue") as queue:
            put(queue, b"a")
            get(queue.url("/touch?lease=%s&receipt=%s" % (SHORT, lease(queue))))
            wait_until(lambda: stats(queue)["depth"] == 1, what="the end of the lease")


class DeadLetters(unittest.TestCase):
    def test_after_so_many_attempts_a_message_is_set_aside_and_never_gone(self):
        with Daemon("simplequeue", "--max-attempts=2") as queue:
            put(queue, b"poison")
            lease(queue, SHORT)
            wait_until(lambda: stats(queue)["depth"] == 1, what="the end of the first lease")
            self.assertEqual(post(queue.url("/requeue"), lease(queue)).text, "requeued 1\n")
            numbers = stats(queue)
            self.assertEqual((numbers["depth"], numbers["dead"], numbers["buried"]), (0, 1, 1))
            self.assertEqual(get(queue.url("/get")).body, b"")
            dead = peek(queue, "dead")
            self.assertEqual([(d["id"], d["state"], d["attempts"], d["body"], d["due"]) for d in dead],
                             [(1, "dead", 2, "poison", None)])
            self.assertEqual(get(queue.url("/kick")).text, "kicked 1\n")
            self.assertEqual(get(queue.url("/get?lease=9s")).header("X-Attempts"), "1")
            self.assertEqual(stats(queue)["kicked"], 1)

    def test_bury_and_kick_by_hand(self):
        with Daemon("simplequeue") as queue:
            post(queue.url("/mput"), b"a\nb\nc")
            receipts = [lease(queue) for _ in range(3)]
            answer = post(queue.url("/bury"), "\n".join(receipts))
            self.assertEqual((answer.status, answer.text), (200, "buried 3\n"))
            self.assertEqual(post(queue.url("/bury"), receipts[0]).text, "buried 0\n%s\n" % receipts[0])
            self.assertEqual(get(queue.url("/kick?items=2")).text, "kicked 2\n")
            self.assertEqual(get(queue.url("/dump")).body, b"a\nb\n")
            self.assertEqual(post(queue.url("/kick?items=99"), b"").text, "kicked 1\n")
            self.assertEqual(get(queue.url("/kick")).text, "kicked 0\n")
            for items in ("0", "x", "-1", ""):
                self.assertEqual(get(queue.url("/kick?items=" + items)).text, "number of items must be > 0\n")


if __name__ == "__main__":
    unittest.main()
