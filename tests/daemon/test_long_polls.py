"""Requests that wait for a message: who is served, in which order, and who takes nothing."""

import signal
import threading
import time
import unittest

from harness import Connection, Daemon, get, post, request, wait_until
from queue_requests import SHORT, put, stats, waiting

# run.py runs this file against the sanitized programs too.
SANITIZED = True


class LongPolls(unittest.TestCase):
    def test_they_are_served_in_the_order_they_came_whatever_they_asked(self):
        targets = ("/get?wait=1m", "/mget?wait=1m&items=2", "/get?wait=1m&lease=9s",
                   "/mget?wait=1m&lease=9s&items=5&format=json", "/get?wait=1m")
        with Daemon("simplequeue") as queue, waiting(queue, *targets) as polls:
            # A get that does not wait is answered at once.
            self.assertEqual(get(queue.url("/get")).body, b"")
            put(queue, b"1")
            self.assertEqual(polls[0].read_response().body, b"1")
            post(queue.url("/mput"), b"2\n3")
            self.assertEqual(polls[1].read_response().body, b"2\n3")
            post(queue.url("/mput"), b"4\n5")
            answer = polls[2].read_response()
            self.assertEqual((answer.body, answer.header("X-Attempts")), (b"4", "1"))
            leased = polls[3].read_response().json()
            self.assertEqual([o["body"] for o in leased], ["5"])
            self.assertEqual(post(queue.url("/finish"), answer.header("X-Receipt") + "\n" +
                                  leased[0]["receipt"]).text, "finished 2\n")
            self.assertEqual(stats(queue)["waiting_polls"], 1)
            put(queue, b"6")
            self.assertEqual(polls[4].read_response().body, b"6")
            # The connections go on.
            self.assertEqual(polls[0].request("GET", "/ping").body, b"OK")

    def test_at_its_time_a_poll_is_answered_as_an_empty_queue_is(self):
        with Daemon("simplequeue") as queue:
            for query, status, body in (("/get?wait=", 200, b""), ("/get?lease=9s&wait=", 204, b""),
                                        ("/mget?wait=", 200, b""), ("/mget?lease=9s&wait=", 204, b""),
                                        ("/mget?format=json&wait=", 200, b"[]\n")):
                begun = time.monotonic()
                answer = get(queue.url(query + SHORT))
                self.assertEqual((answer.status, answer.body), (status, body), query)
                self.assertGreaterEqual(time.monotonic() - begun, 0.05)
            self.assertEqual(stats(queue)["waiting_polls"], 0)

    def test_a_wait_is_checked(self):
        with Daemon("simplequeue", "--max-wait=5m") as queue:
            for bad in ("x", "-1", "301s", ""):
                answer = get(queue.url("/get?wait=" + bad))
                self.assertEqual(answer.status, 400, bad)
                self.assertIn("5m (--max-wait)", answer.text)
            # With a message there nobody waits, and HEAD never does.
            self.assertEqual(request("HEAD", queue.url("/get?wait=5m")).status, 200)
            put(queue, b"a")
            self.assertEqual(get(queue.url("/get?wait=5m")).body, b"a")
            self.assertEqual(get(queue.url("/get?wait=0")).body, b"")

    def test_a_poll_whose_client_has_gone_takes_nothing(self):
        with Daemon("simplequeue") as queue:
            for i in range(20):
                with waiting(queue, "/get?wait=1m") as (poll,):
                    poll.close()
                    put(queue, b"%d" % i)
                self.assertEqual(get(queue.url("/get")).body, b"%d" % i)
            # Nor does it keep the next one waiting.
            with waiting(queue, "/get?wait=1m", "/get?wait=1m") as (gone, there):
                gone.close()
                put(queue, b"x")
                self.assertEqual(there.read_response().body, b"x")
            self.assertEqual(stats(queue)["gets"], 21)

    def test_everything_that_makes_a_message_ready_serves_them(self):
        with Daemon("simplequeue") as queue:
            def poll_gets(message, act):
                with waiting(queue, "/get?wait=1m&lease=10m") as (poll,):
                    act()
                    answer = poll.read_response()
                    self.assertEqual(answer.body, message)
                    return answer.header("X-Receipt")
            receipt = poll_gets(b"a", lambda: post(queue.url("/mput"), b"a"))
            receipt = poll_gets(b"a", lambda: post(queue.url("/requeue"), receipt))
            receipt = poll_gets(b"b", lambda: get(queue.url("/requeue?data=b&receipt=" + receipt)))
            receipt = poll_gets(b"b", lambda: get(queue.url("/requeue?delay=%s&receipt=%s" % (SHORT, receipt))))
            receipt = poll_gets(b"b", lambda: get(queue.url("/touch?lease=%s&receipt=%s" % (SHORT, receipt))))
            post(queue.url("/bury"), receipt)
            receipt = poll_gets(b"b", lambda: get(queue.url("/kick")))
            get(queue.url("/pause"))
            get(queue.url("/put?data=c"))
            receipt = poll_gets(b"c", lambda: get(queue.url("/unpause")))
            poll_gets(b"d", lambda: get(queue.url("/put?data=d&delay=" + SHORT)))

    def test_a_queue_that_nobody_has_put_to_can_be_waited_for(self):
        with Daemon("simplequeue") as queue, waiting(queue, "/get?queue=new&wait=1m") as (poll,):
            self.assertNotIn("new", stats(queue)["queues"])
            put(queue, b"elsewhere")
            put(queue, b"here", "queue=new")
            self.assertEqual(poll.read_response().body, b"here")

    def test_a_paused_queue_lets_polls_wait(self):
        with Daemon("simplequeue") as queue:
            get(queue.url("/pause"))
            with waiting(queue, "/get?wait=1m") as (poll,):
                put(queue, b"a")
                self.assertEqual(get(queue.url("/get?wait=" + SHORT)).body, b"")
                self.assertEqual(stats(queue)["waiting_polls"], 1)
                get(queue.url("/unpause"))
                self.assertEqual(poll.read_response().body, b"a")

    def test_the_drain_answers_them_and_exits_in_time(self):
        with Daemon("simplequeue", "--drain-timeout=60s") as queue:
            with waiting(queue, "/get?wait=1m", "/mget?wait=1m&lease=9s", "/get?wait=1m&queue=q") as polls:
                begun = time.monotonic()
                queue.signal(signal.SIGTERM)
                self.assertEqual([poll.read_response().status for poll in polls], [200, 204, 200])
                self.assertEqual(queue.wait(), 0)
                self.assertLess(time.monotonic() - begun, 50)

    def test_many_readers_and_writers_get_each_message_once(self):
        with Daemon("simplequeue") as queue:
            got = []
            lock = threading.Lock()

            def read():
                with Connection(queue.port, timeout=30) as connection:
                    while True:
                        answer = connection.request("GET", "/get?wait=20s")
                        if answer.body == b"end":
                            return
                        with lock:
                            got.append(answer.body)

            readers = [threading.Thread(target=read) for _ in range(8)]
            for reader in readers:
                reader.start()
            with Connection(queue.port) as connection:
                for i in range(500):
                    connection.request("POST", "/put", b"%d" % i)
                wait_until(lambda: len(got) == 500, what="all messages", timeout=30)
                for _ in readers:
                    connection.request("POST", "/put", b"end")
            for reader in readers:
                reader.join(30)
            self.assertEqual(sorted(got, key=int), [b"%d" % i for i in range(500)])


if __name__ == "__main__":
    unittest.main()
