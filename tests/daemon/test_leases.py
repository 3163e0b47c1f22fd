"""simplequeue's leases, dead letters, delays, keys and long polls, as a user's requests meet them."""

import base64
import contextlib
import json
import os
import signal
import tempfile
import threading
import time
import unittest

from harness import Connection, Daemon, get, post, request, run_program, wait_until

# run.py runs this file against the sanitized programs too.
SANITIZED = True

# A lease that ends while a test looks on, and one that does not.
SHORT = "50ms"
LONG = "10m"


def stats(queue, name="default"):
    return get(queue.url("/stats?format=json&queue=" + name)).json()


def peek(queue, state, items=100, name="default"):
    text = get(queue.url("/peek?state=%s&items=%d&queue=%s" % (state, items, name))).text
    return [json.loads(line) for line in text.splitlines()]


def put(queue, data, query=""):
    answer = post(queue.url("/put?" + query), data)
    assert answer.status == 200, answer
    return answer


def lease(queue, duration=LONG, query=""):
    """The X-Receipt of the next message."""
    answer = get(queue.url("/get?lease=%s%s" % (duration, query)))
    assert answer.status == 200, answer
    return answer.header("X-Receipt")


def framed_leases(body):
    """(receipt, attempts, body) of each message of a framed /mget?lease."""
    found = []
    while body:
        line, body = body.split(b"\n", 1)
        receipt, attempts, size = line.decode().split(" ")
        size = int(size)
        assert body[size:size + 1] == b"\n", body
        found.append((receipt, int(attempts), body[:size]))
        body = body[size + 1:]
    return found


def changed(receipt, field, value):
    fields = receipt.split("-")
    fields[field] = value
    return "-".join(fields)


@contextlib.contextmanager
def waiting(queue, *targets):
    """Connections on which these were asked, one after the other; each waits for its message."""
    with contextlib.ExitStack() as stack:
        connections = []
        for target in targets:
            connection = stack.enter_context(Connection(queue.port))
            before = stats(queue)["waiting_polls"]
            connection.send(b"GET " + target.encode() + b" HTTP/1.1\r\nHost: h\r\n\r\n")
            wait_until(lambda: stats(queue)["waiting_polls"] == before + 1, what="the long poll")
            connections.append(connection)
        yield connections


class OneLease(unittest.TestCase):
    def test_a_lease_gives_the_message_and_a_receipt_that_finishes_it(self):
        with Daemon("simplequeue") as queue:
            before = time.time()
            put(queue, b"work")
            answer = get(queue.url("/get?lease=30s"))
            self.assertEqual((answer.status, answer.body), (200, b"work"))
            self.assertEqual(answer.header("X-Message-Id"), "1")
            self.assertEqual(answer.header("X-Attempts"), "1")
            self.assertRegex(answer.header("X-Receipt"), r"^1-1-\d+-[0-9a-f]{8}$")
            self.assertRegex(answer.header("X-Put-At"), r"^\d+\.\d{3}$")
            self.assertAlmostEqual(float(answer.header("X-Put-At")), (before + time.time()) / 2, delta=2)
            # Nobody else gets it.
            empty = get(queue.url("/get?lease=30s"))
            self.assertEqual((empty.status, empty.body), (204, b""))
            self.assertEqual(get(queue.url("/get")).body, b"")
            numbers = stats(queue)
            self.assertEqual((numbers["depth"], numbers["in_flight"], numbers["gets"]), (0, 1, 1))
            done = get(queue.url("/finish?receipt=" + answer.header("X-Receipt")))
            self.assertEqual((done.status, done.body), (200, b"finished 1\n"))
            numbers = stats(queue)
            self.assertEqual((numbers["in_flight"], numbers["finished"]), (0, 1))

    def test_a_second_finish_changes_nothing_and_is_told(self):
        with Daemon("simplequeue") as queue:
            put(queue, b"a")
            receipt = lease(queue)
            get(queue.url("/finish?receipt=" + receipt))
            again = post(queue.url("/finish"), receipt)
            self.assertEqual((again.status, again.text), (200, "finished 0\n%s\n" % receipt))
            self.assertEqual(stats(queue)["finish_missed"], 1)

    def test_a_lease_that_ends_brings_the_message_back_with_one_more_attempt(self):
        with Daemon("simplequeue") as queue:
            put(queue, b"a")
            late = lease(queue, SHORT)
            answer = wait_until(lambda: next(iter([a for a in [get(queue.url("/get?lease=" + LONG))]
                                                   if a.status == 200]), None), what="the message")
            self.assertEqual((answer.body, answer.header("X-Attempts")), (b"a", "2"))
            self.assertEqual(stats(queue)["timeouts"], 1)
            # The late holder can do nothing to who has it now.
            for verb, word in (("finish", "finished"), ("requeue", "requeued"), ("bury", "buried"),
                               ("touch?lease=1m", "touched")):
                stale = post(queue.url("/" + verb), late)
                self.assertEqual((stale.status, stale.text), (200, "%s 0\n%s\n" % (word, late)))
            self.assertEqual(stats(queue)["in_flight"], 1)
            self.assertEqual(post(queue.url("/finish"), answer.header("X-Receipt")).text, "finished 1\n")

    def test_receipts_of_other_messages_leases_queues_and_processes_do_not_hold(self):
        with Daemon("simplequeue") as queue:
            put(queue, b"a")
            put(queue, b"b", "queue=other")
            receipt = lease(queue)
            epoch = receipt.split("-")[3]
            for field, value in ((0, "2"), (0, "7"), (1, "2"), (2, "99"),
                                 (3, "00000000" if epoch != "00000000" else "00000001")):
                wrong = changed(receipt, field, value)
                self.assertEqual(post(queue.url("/finish"), wrong).text, "finished 0\n%s\n" % wrong)
            # It names its queue: queue= can only contradict it.
            for name in ("other", "never"):
                answer = post(queue.url("/finish?queue=" + name), receipt)
                self.assertEqual(answer.text, "finished 0\n%s\n" % receipt)
            self.assertEqual(post(queue.url("/finish?queue=a%20b"), receipt).status, 400)
            self.assertEqual(post(queue.url("/finish?queue=default"), receipt).text, "finished 1\n")

    def test_the_lease_is_checked(self):
        with Daemon("simplequeue", "--max-lease=10m") as queue:
            put(queue, b"a")
            for bad in ("abc", "-1", "0", "0s", "99999h", "601s", "", "1e3", "5%20s", "292y"):
                for target in ("/get?lease=", "/mget?lease="):
                    answer = get(queue.url(target + bad))
                    self.assertEqual(answer.status, 400, bad)
                    self.assertIn("10m (--max-lease)", answer.text)
                    if bad.isalnum():
                        self.assertIn("lease=" + bad, answer.text)
            self.assertEqual(stats(queue)["depth"], 1)
            self.assertEqual(get(queue.url("/get?lease=10m")).status, 200)
        with Daemon("simplequeue") as queue:
            self.assertIn("12h (--max-lease)", get(queue.url("/get?lease=13h")).text)

    def test_head_looks_and_changes_nothing(self):
        with Daemon("simplequeue") as queue:
            self.assertEqual(request("HEAD", queue.url("/get?lease=9s&wait=9s")).status, 204)
            put(queue, b"12345")
            answer = request("HEAD", queue.url("/get?lease=9s"))
            self.assertEqual((answer.status, answer.header("Content-Length")), (200, "5"))
            self.assertEqual(request("HEAD", queue.url("/mget?items=2&lease=9s")).status, 200)
            self.assertEqual(request("HEAD", queue.url("/mget?items=2&lease=9s&format=json")).status, 200)
            self.assertEqual(request("HEAD", queue.url("/peek")).status, 200)
            self.assertEqual(request("HEAD", queue.url("/queues")).status, 200)
            for target in ("finish?receipt=1-1-1-00000000", "requeue?receipt=1-1-1-00000000",
                           "touch?receipt=1-1-1-00000000&lease=1s", "bury?receipt=1-1-1-00000000",
                           "kick", "pause", "unpause", "empty"):
                self.assertEqual(request("HEAD", queue.url("/" + target)).status, 405, target)
            numbers = stats(queue)
            self.assertEqual((numbers["depth"], numbers["in_flight"], numbers["gets"]), (1, 0, 0))

    def test_a_stopped_daemon_does_not_take_a_finish_that_came_too_late(self):
        with Daemon("simplequeue") as queue, Connection(queue.port, timeout=30) as connection:
            put(queue, b"a")
            begun = time.monotonic()
            receipt = lease(queue, "300ms")
            queue.signal(signal.SIGSTOP)
            connection.send(b"GET /finish?receipt=" + receipt.encode() + b" HTTP/1.1\r\nHost: h\r\n\r\n")
            wait_until(lambda: time.monotonic() > begun + 0.5, what="half a second")
            queue.signal(signal.SIGCONT)
            self.assertEqual(connection.read_response().text, "finished 0\n%s\n" % receipt)
            self.assertEqual(get(queue.url("/get")).body, b"a")
            self.assertEqual(stats(queue)["timeouts"], 1)


class ManyLeases(unittest.TestCase):
    MESSAGES = [b"plain", b"two\nlines\n", b"nul\0inside", b"\xff\xfe\x80", "caf\u00e9".encode(), b"5\nhello\n"]

    def fill(self, queue):
        for message in self.MESSAGES:
            put(queue, message)

    def test_framed_leases_carry_any_bytes(self):
        with Daemon("simplequeue") as queue:
            self.fill(queue)
            for query in ("", "&format=framed"):
                answer = get(queue.url("/mget?items=9&lease=10m" + query))
                leases = framed_leases(answer.body)
                self.assertEqual([body for _, _, body in leases], self.MESSAGES)
                receipts = "\n".join(receipt for receipt, _, _ in leases)
                self.assertEqual(post(queue.url("/requeue"), receipts).text, "requeued 6\n")
            self.assertEqual([attempts for _, attempts, _ in leases], [2] * 6)
            self.assertEqual(get(queue.url("/mget?items=2&lease=9s&queue=none")).status, 204)

    def test_json_tells_bytes_that_are_no_text_in_base64(self):
        with Daemon("simplequeue") as queue:
            self.fill(queue)
            leased = get(queue.url("/mget?items=9&lease=10m&format=json"))
            self.assertEqual(leased.header("Content-Type"), "application/json")
            objects = leased.json()
            self.assertEqual(set(objects[0]), {"receipt", "id", "attempts", "put_at", "body"})
            bodies = [o["body"].encode() if "body" in o else base64.b64decode(o["body_base64"])
                      for o in objects]
            self.assertEqual(bodies, self.MESSAGES)
            self.assertEqual(["body_base64" in o for o in objects], [m == b"\xff\xfe\x80" for m in self.MESSAGES])
            self.assertEqual([o["id"] for o in objects], [1, 2, 3, 4, 5, 6])
            post(queue.url("/requeue"), "\n".join(o["receipt"] for o in objects))
            # Without a lease the same, taken for good.
            taken = get(queue.url("/mget?items=9&format=json")).json()
            self.assertEqual(set(taken[0]), {"id", "attempts", "put_at", "body"})
            self.assertEqual([o["attempts"] for o in taken], [1] * 6)
            self.assertAlmostEqual(taken[0]["put_at"], time.time(), delta=60)
            self.assertEqual(get(queue.url("/mget?format=json")).json(), [])
            self.assertEqual(get(queue.url("/mget?format=json&lease=1s")).status, 204)

    def test_a_separator_and_a_lease_do_not_go_together(self):
        with Daemon("simplequeue") as queue:
            put(queue, b"a")
            answer = get(queue.url("/mget?lease=9s&separator=%7C"))
            self.assertEqual(answer.status, 400)
            self.assertIn("frame", answer.text)
            self.assertEqual(get(queue.url("/mget?lease=9s&format=xml")).status, 400)
            for items in ("0", "-1", "x", "99999999999999999999"):
                answer = get(queue.url("/mget?lease=9s&items=" + items))
                self.assertEqual((answer.status, answer.text), (400, "number of items must be > 0\n"))
            self.assertEqual(stats(queue)["depth"], 1)

    def test_max_mget_bounds_leases_too(self):
        with Daemon("simplequeue", "--max-mget=2") as queue:
            post(queue.url("/mput"), b"a\nb\nc")
            self.assertEqual(len(framed_leases(get(queue.url("/mget?items=9&lease=9s")).body)), 2)

    def test_finish_takes_lines_of_all_kinds_and_tells_which_did_not_hold(self):
        with Daemon("simplequeue") as queue:
            post(queue.url("/mput"), b"a\nb\nc")
            post(queue.url("/mput?queue=other"), b"d\ne")
            mine = [r for r, _, _ in framed_leases(get(queue.url("/mget?items=3&lease=10m")).body)]
            others = [r for r, _, _ in framed_leases(
                get(queue.url("/mget?items=2&lease=10m&queue=other")).body)]
            stale = changed(mine[0], 2, "77")
            body = "\r\n%s\n%s\r\n\n\n%s\n%s\n%s" % (mine[0], others[0], stale, mine[1], mine[0])
            answer = post(queue.url("/finish"), body)
            self.assertEqual(answer.text, "finished 3\n%s\n%s\n" % (stale, mine[0]))
            self.assertEqual(stats(queue)["finished"], 2)
            self.assertEqual(stats(queue, "other")["finished"], 1)
            # By GET, several of them in one parameter.
            answer = get(queue.url("/finish?receipt=%s%%0A%s" % (mine[2], others[1])))
            self.assertEqual(answer.text, "finished 2\n")

    def test_what_is_no_receipt_is_named_and_nothing_changes(self):
        with Daemon("simplequeue") as queue:
            post(queue.url("/mput"), b"a\nb")
            receipt = lease(queue)
            for verb in ("finish", "requeue", "bury", "touch?lease=9s"):
                for bad in ("garbage", "1-2-3", receipt + "0", "x" * 1_000_000, "\0\x1b[31m", "\u00e9"):
                    answer = post(queue.url("/" + verb), "%s\n%s\nworse" % (receipt, bad))
                    self.assertEqual(answer.status, 400)
                    self.assertLess(len(answer.body), 300)
                    self.assertNotIn(b"\x1b", answer.body)
                    self.assertIn("must be a receipt", answer.text)
                    self.assertNotIn("worse", answer.text)
                self.assertIn("garbage", post(queue.url("/" + verb), "garbage").text)
                for none in (b"", b"\n\r\n\n"):
                    answer = post(queue.url("/" + verb), none)
                    self.assertEqual(answer.status, 400)
                    self.assertIn("no receipt", answer.text)
            numbers = stats(queue)
            self.assertEqual((numbers["in_flight"], numbers["finished"], numbers["requeues"],
                              numbers["dead"]), (1, 0, 0, 0))

    def test_a_thousand_leases_end_together_and_all_come_back_in_order(self):
        with Daemon("simplequeue") as queue:
            messages = [b"%d" % i for i in range(1000)]
            post(queue.url("/mput"), b"\n".join(messages))
            get(queue.url("/mget?items=1000&lease=" + SHORT))
            wait_until(lambda: stats(queue)["timeouts"] == 1000, what="the end of the leases")
            self.assertEqual(get(queue.url("/mget?items=1000")).body.split(b"\n"), messages)


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
        with Daemon("simplequeue", "--drain-timeout=10s") as queue:
            with waiting(queue, "/get?wait=1m", "/mget?wait=1m&lease=9s", "/get?wait=1m&queue=q") as polls:
                begun = time.monotonic()
                queue.signal(signal.SIGTERM)
                self.assertEqual([poll.read_response().status for poll in polls], [200, 204, 200])
                self.assertEqual(queue.wait(), 0)
                self.assertLess(time.monotonic() - begun, 8)

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
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name
        self.data_path = "--data-path=" + os.path.join(folder.name, "data")

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


class OptionsOfLeases(unittest.TestCase):
    def test_wrong_ones_are_refused_with_one_line(self):
        for option, part in (("--max-lease=0", "--max-lease=0s: must be from 1ms to 3650d"),
                             ("--max-wait=9999d", "--max-wait=9999d: must be"),
                             ("--dedupe-window=x", "--dedupe-window"),
                             ("--max-attempts=-1", "--max-attempts"),
                             ("--max-keys=0", "--max-keys")):
            run = run_program("simplequeue", option)
            self.assertEqual(run.returncode, 2, option)
            self.assertEqual(len(run.stderr.splitlines()), 1)
            self.assertIn(part, run.stderr)


if __name__ == "__main__":
    unittest.main()
