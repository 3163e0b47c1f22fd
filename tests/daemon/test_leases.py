"""simplequeue's leases and receipts, as a user's requests meet them."""

import base64
import os
import signal
import tempfile
import time
import unittest

from harness import Connection, Daemon, get, post, request, run_program, wait_until
from queue_requests import LONG, SHORT, changed, framed_leases, lease, put, stats, waiting

SANITIZED = True


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

    def test_who_leases_is_told_how_long_message_numbers_last(self):
        with Daemon("simplequeue") as queue:
            put(queue, b"a")
            answer = get(queue.url("/get?lease=9s"))
            epoch = answer.header("X-Receipt").split("-")[3]
            self.assertEqual(answer.header("X-Message-Ids"), "of " + epoch)
            # Also without a message, after a wait, and when one comes while it is waited for.
            for target in ("/get?lease=9s", "/mget?lease=9s&wait=1ms"):
                empty = get(queue.url(target))
                self.assertEqual((empty.status, empty.header("X-Message-Ids")), (204, "of " + epoch))
            with waiting(queue, "/mget?lease=9s&wait=9s") as (poll,):
                put(queue, b"b")
                answer = poll.read_response()
                self.assertEqual((answer.header("X-Message-Ids"), answer.header("X-Format")),
                                 ("of " + epoch, "framed"))
            self.assertIsNone(get(queue.url("/get")).header("X-Message-Ids"))
        seen = []
        with tempfile.TemporaryDirectory() as folder:
            for number in (1, 2):
                with Daemon("simplequeue", "--data-path=" + folder) as queue:
                    put(queue, b"a")
                    answer = get(queue.url("/mget?lease=9s"))
                    seen.append(answer.header("X-Message-Ids"))
                    self.assertRegex(seen[-1], "^lasting [0-9a-f]{16}$")
                    [(receipt, _, _)] = framed_leases(answer.body)
                    # It goes on behind the last number, though the queue was empty.
                    self.assertEqual(receipt.split("-")[1], str(number))
                    self.assertEqual(post(queue.url("/finish"), receipt).text, "finished 1\n")
            # The same over a restart; another one when the folder was emptied, but for that file too.
            self.assertEqual(seen[0], seen[1])
            for name in os.listdir(folder):
                if name != "identity":
                    os.unlink(os.path.join(folder, name))
            with Daemon("simplequeue", "--data-path=" + folder) as queue:
                self.assertNotIn(get(queue.url("/get?lease=9s")).header("X-Message-Ids"), seen)

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
            receipt = lease(queue, "300ms")
            queue.signal(signal.SIGSTOP)
            begun = time.monotonic()
            connection.send(b"GET /finish?receipt=" + receipt.encode() + b" HTTP/1.1\r\nHost: h\r\n\r\n")
            wait_until(lambda: time.monotonic() > begun + 0.5, what="half a second")
            queue.signal(signal.SIGCONT)
            self.assertEqual(connection.read_response().text, "finished 0\n%s\n" % receipt)
            self.assertEqual(get(queue.url("/get")).body, b"a")
            self.assertEqual(stats(queue)["timeouts"], 1)


class WhyMissed(unittest.TestCase):
    def asked(self, queue, verb, *receipts):
        return post(queue.url(verb + ("&" if "?" in verb else "?") + "missed=why"), "\n".join(receipts)).text

    def test_what_became_of_the_messages_of_receipts_that_do_not_hold_is_told(self):
        with Daemon("simplequeue") as queue:
            states = ("finished", "ready", "deferred", "dead", "in flight", "emptied")
            receipts = {}
            for state in states:
                put(queue, state.encode())
                receipts[state] = lease(queue)
            self.assertEqual(self.asked(queue, "/finish", receipts["finished"]), "finished 1\n")
            self.assertEqual(self.asked(queue, "/bury", receipts["emptied"]), "buried 1\n")
            get(queue.url("/empty?state=dead"))
            self.assertEqual(self.asked(queue, "/bury", receipts["dead"]), "buried 1\n")
            self.assertEqual(self.asked(queue, "/requeue", receipts["in flight"]), "requeued 1\n")
            self.assertNotEqual(lease(queue), receipts["in flight"])
            self.assertEqual(self.asked(queue, "/requeue?delay=1h", receipts["deferred"]), "requeued 1\n")
            self.assertEqual(self.asked(queue, "/requeue", receipts["ready"]), "requeued 1\n")
            told = "".join("%s %s\n" % (receipts[state], {"finished": "gone", "emptied": "gone",
                                                          "dead": "dead"}.get(state, "stale"))
                           for state in states)
            for verb, word in (("/finish", "finished"), ("/requeue", "requeued"), ("/bury", "buried")):
                self.assertEqual(self.asked(queue, verb, *receipts.values()), "%s 0\n%s" % (word, told))
            with_body = post(queue.url("/requeue?missed=why&receipt=" + receipts["finished"]), b"more")
            self.assertEqual(with_body.text, "requeued 0\n%s gone\n" % receipts["finished"])
            # Who does not ask is told as ever.
            self.assertEqual(post(queue.url("/finish"), receipts["dead"]).text,
                             "finished 0\n%s\n" % receipts["dead"])
            # Named twice, it is gone the second time.
            put(queue, b"twice")
            while (receipt := lease(queue)).split("-")[1] != "7":
                pass
            self.assertEqual(self.asked(queue, "/finish", receipt, receipt),
                             "finished 1\n%s gone\n" % receipt)
            for field, value, why in ((0, "7", "gone"), (1, "99", "gone"), (1, "0", "gone"), (2, "99", "stale")):
                wrong = changed(receipts["dead"] if field < 2 else receipts["ready"], field, value)
                self.assertEqual(self.asked(queue, "/finish", wrong), "finished 0\n%s %s\n" % (wrong, why))
            refused = post(queue.url("/finish?missed=yes"), receipt)
            self.assertEqual((refused.status, refused.text), (400, "missed: yes: must be why\n"))

    def test_over_a_restart_a_message_is_known_by_its_number(self):
        with tempfile.TemporaryDirectory() as folder:
            with Daemon("simplequeue", "--data-path=" + folder) as queue:
                put(queue, b"a")
                put(queue, b"b")
                finished, unfinished = lease(queue), lease(queue)
                self.assertEqual(self.asked(queue, "/finish", finished), "finished 1\n")
            with Daemon("simplequeue", "--data-path=" + folder) as queue:
                self.assertEqual(self.asked(queue, "/finish", finished, unfinished),
                                 "finished 0\n%s gone\n%s stale\n" % (finished, unfinished))

    def test_without_a_data_path_a_restart_leaves_nothing_and_numbers_begin_again(self):
        with Daemon("simplequeue") as queue:
            put(queue, b"a")
            receipt = lease(queue)
        with Daemon("simplequeue") as queue:
            put(queue, b"another")
            self.assertEqual(self.asked(queue, "/finish", receipt), "finished 0\n%s gone\n" % receipt)


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
