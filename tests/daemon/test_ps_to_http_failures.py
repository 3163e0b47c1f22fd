"""What ps_to_http does with destinations that fail, refuse, stall or answer half."""

import base64
import json
import os
import signal
import threading
import time
import unittest
import zlib

from bridge_case import BridgeCase, summary
from harness import Daemon, Sink, free_port, run_program, wait_until
from scripted_http import ScriptedSource

# run.py runs this file against the sanitized programs too.
SANITIZED = True


class ManyDestinations(BridgeCase):
    def test_fan_out_gives_every_destination_every_message(self):
        self.start(paths=["GET /put?data=%s", "GET /second?d=%s", "POST /third"])
        self.stream.send(b"r000\n")
        self.stream.send(b"r001\n")
        self.await_requests(6)
        self.assertEqual([t for t in self.targets() if t.startswith("/put")],
                         ["/put?data=r000", "/put?data=r001"])
        self.assertEqual([t for t in self.targets() if t.startswith("/second")],
                         ["/second?d=r000", "/second?d=r001"])
        self.assertEqual([b for m, _, b in self.seen() if m == "POST"], [b"r000", b"r001"])

    def test_round_robin_takes_turns(self):
        self.start("--round-robin", paths=["GET /put?data=%s", "GET /second?d=%s"])
        for i in range(4):
            self.stream.send(b"r%03d\n" % i)
            self.await_requests(i + 1)
        self.assertEqual(self.targets(), ["/put?data=r000", "/second?d=r001", "/put?data=r002",
                                          "/second?d=r003"])

    def test_round_robin_passes_over_a_destination_that_is_down(self):
        bridge = self.start("--round-robin",
                            "--destination-post-url=http://127.0.0.1:%d/down" % free_port())
        for i in range(6):
            self.stream.send(b"%d\n" % i)
            self.await_requests(i + 1)
        self.assertEqual(self.bodies(), [b"%d" % i for i in range(6)])
        bridge.stop()
        self.assertEqual(summary(bridge), (6, 6, 0, 0))

    def test_a_destination_that_is_down_delays_no_other(self):
        bridge = self.start("--destination-post-url=http://127.0.0.1:%d/down" % free_port(),
                            "--drain-timeout=50ms")
        self.stream.send(b"".join(b"%d\n" % i for i in range(100)))
        self.await_requests(100)
        self.assertEqual(self.bodies(), [b"%d" % i for i in range(100)])
        bridge.stop(expected=1)
        self.assertEqual(summary(bridge), (100, 0, 0, 100))


class Failures(BridgeCase):
    def test_what_fails_is_sent_again_in_order_until_it_is_taken(self):
        statuses = iter([500, 503, 408, 429, 301, 200])
        bridge = self.start(answer=lambda m, t, b: next(statuses, 200))
        self.stream.send(b"fail1\nfail2\n")
        self.await_requests(7)
        self.assertEqual(self.bodies(), [b"fail1"] * 6 + [b"fail2"])
        bridge.stop()
        self.assertEqual(summary(bridge), (2, 2, 0, 0))

    def test_retry_after_is_waited_for(self):
        times = []

        class Answer:
            def __call__(self, method, target, body):
                times.append(time.monotonic())
                return 200

        self.start(answer=Answer())
        # Sink sends no Retry-After, so the answer comes from a scripted source's other half.
        refuser = ScriptedSource(status=b"429 Slow Down\r\nRetry-After: 1")
        self.addCleanup(refuser.close)
        bridge = Daemon("ps_to_http", "--pubsub-url=" + self.source.url(), "--max-backoff=1ms",
                        "--destination-post-url=" + refuser.url("/put"), "--drain-timeout=10ms")
        self.addCleanup(bridge.kill)
        second = self.source.stream(1)
        second.send(b"m\n")
        first = refuser.stream(0)
        began = time.monotonic()
        first.end()
        refuser.stream(1)
        self.assertGreaterEqual(time.monotonic() - began, 0.9)

    def test_a_client_error_loses_the_message_and_says_so(self):
        bridge = self.start(answer=lambda m, t, b: 404 if b == b"bad" else 200)
        self.stream.send(b"good\nbad\ngood\n")
        self.await_requests(3)
        bridge.stop()
        self.assertEqual(self.bodies(), [b"good", b"bad", b"good"])
        self.assertEqual(summary(bridge), (3, 2, 1, 0))
        self.assertRegex(bridge.stderr(), r"answered 404: 1 messages refused and lost")

    def test_one_bad_message_of_a_batch_is_refused_alone(self):
        taken = []

        def answer(method, target, body):
            if b"bad" in body:
                return 400
            taken.append(body)
            return 200

        bridge = self.start("--batch=100", paths=["POST /mput"], answer=answer)
        self.stream.send(b"".join(b"%d\n" % i for i in range(20)) + b"bad\n" +
                         b"".join(b"%d\n" % i for i in range(20, 40)))
        wait_until(lambda: b"".join(taken).count(b"\n") == 40, 20)
        self.assertEqual(b"".join(taken), b"".join(b"%d\n" % i for i in range(40)))
        bridge.stop()
        self.assertEqual(summary(bridge), (41, 40, 1, 0))

    def test_a_destination_that_comes_up_later_gets_everything(self):
        port = free_port()
        source = ScriptedSource()
        self.addCleanup(source.close)
        bridge = Daemon("ps_to_http", "--pubsub-url=" + source.url(), "--max-backoff=100ms",
                        "--destination-post-url=http://127.0.0.1:%d/put" % port)
        self.addCleanup(bridge.kill)
        source.stream(0).send(b"early\n")
        bridge.wait_for_log("sending again")
        with Sink(port=port) as sink:
            wait_until(lambda: [r.body for r in sink.requests] == [b"early"], 20)
            bridge.stop()

    def test_a_source_that_goes_away_is_followed_again(self):
        bridge = self.start()
        self.stream.send(b"one\ncut of")
        self.await_requests(1)
        self.stream.cut()
        again = self.source.stream(1)
        again.send(b"\r\n")
        again.send(b"two\n")
        self.await_requests(2)
        again.end()
        third = self.source.stream(2)
        third.send(b"three\nlast")
        third.end()  # a proper end: the last line is whole
        self.await_requests(4)
        self.assertEqual(self.bodies(), [b"one", b"two", b"three", b"last"])
        self.assertTrue(bridge.running())
        bridge.stop()

    def test_what_is_not_a_stream_is_not_forwarded(self):
        source = ScriptedSource(status=b"503 Busy")
        bridge = self.start(source=source)
        self.stream.send(b"an error page\n")
        source.stream(2)
        self.assertEqual(self.bodies(), [])
        self.assertIn("answered 503, not 200", bridge.stderr())

    def test_half_an_answer_is_none(self):
        self.start()
        half = ScriptedSource(heads=[b"HTTP/1.1 200 OK\r\nContent-Le"])
        self.addCleanup(half.close)
        bridge = Daemon("ps_to_http", "--pubsub-url=" + self.source.url(), "--max-backoff=1ms",
                        "--destination-post-url=" + half.url("/put"))
        self.addCleanup(bridge.kill)
        self.source.stream(1).send(b"m\n")
        half.stream(0).cut()
        self.assertEqual(half.stream(1).target, "/put")
        half.stream(1).end()
        # Nobody knows whether it was taken the first time; it counts once all the same.
        bridge.stop()
        self.assertEqual(summary(bridge), (1, 1, 0, 0))

    def test_an_answer_that_comes_too_late_is_none(self):
        late = threading.Event()
        count = []

        def answer(method, target, body):
            count.append(body)
            if len(count) == 1:
                late.wait(20)
            return 200

        bridge = self.start("--request-timeout=100ms", answer=answer)
        self.stream.send(b"m\n")
        self.await_requests(2)
        late.set()
        bridge.stop()
        # Of a slow machine the next one may be too late as well.
        self.assertGreaterEqual(len(self.bodies()), 2)
        self.assertEqual(set(self.bodies()), {b"m"})
        self.assertEqual(summary(bridge), (1, 1, 0, 0))

    def test_gzip_compresses_what_is_posted(self):
        bridge = self.start("--gzip", "--batch=10", paths=["POST /mput"])
        self.stream.send(b"one\ntwo\n")
        wait_until(lambda: b"".join(zlib.decompress(b, 31) for b in self.bodies()) == b"one\ntwo\n", 20)
        self.assertEqual(self.sink.requests[0].headers["Content-Encoding"], "gzip")
        bridge.stop()


class DeadLetters(BridgeCase):
    def letters(self, path):
        with open(path, encoding="utf-8") as lines:
            return [json.loads(line) for line in lines]

    def test_what_is_refused_is_kept_word_for_word(self):
        path = os.path.join(self.folder(), "refused")
        bridge = self.start("--dead-letter=" + path, "--batch=10", paths=["POST /mput?secret=1"],
                            answer=lambda m, t, b: (422, b"bad one\n") if b"bad" in b else 200)
        self.stream.send(b'good\nbad "\xc3\xa9"\nbad \xff\0\r\ngood\n')
        wait_until(lambda: os.path.exists(path) and len(self.letters(path)) == 2, 20)
        bridge.stop()
        text, other = sorted(self.letters(path), key=lambda letter: "message" not in letter)
        self.assertEqual(text["message"], 'bad "\u00e9"')
        self.assertEqual(text["answer"], "422 bad one")
        self.assertEqual(text["destination"], "POST http://127.0.0.1:%d/mput" % self.sink.port)
        self.assertRegex(text["time"], r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$")
        self.assertEqual(base64.b64decode(other["message_base64"]), b"bad \xff\0\r")
        self.assertEqual(os.stat(path).st_mode & 0o777, 0o600)
        self.assertEqual(summary(bridge), (4, 2, 2, 0))

    def test_after_as_many_tries_as_allowed_a_message_is_given_up(self):
        path = os.path.join(self.folder(), "refused")
        bridge = self.start("--dead-letter=" + path, "--retry-max=2", "--max-backoff=1ms",
                            answer=lambda m, t, b: 503 if b == b"hard" else 200)
        self.stream.send(b"hard\neasy\n")
        self.await_requests(4)
        bridge.stop()
        self.assertEqual(self.bodies(), [b"hard"] * 3 + [b"easy"])
        self.assertEqual([letter["message"] for letter in self.letters(path)], ["hard"])
        self.assertEqual(summary(bridge), (2, 1, 1, 0))

    def test_sighup_opens_the_file_again(self):
        path = os.path.join(self.folder(), "refused")
        bridge = self.start("--dead-letter=" + path, answer=lambda m, t, b: 404)
        self.stream.send(b"one\n")
        wait_until(lambda: len(self.letters(path)) == 1, 20)
        os.rename(path, path + ".1")
        bridge.signal(signal.SIGHUP)
        wait_until(lambda: os.path.exists(path), 20)
        self.stream.send(b"two\n")
        wait_until(lambda: len(self.letters(path)) == 1, 20)
        bridge.stop()
        self.assertEqual([letter["message"] for letter in self.letters(path)], ["two"])
        self.assertEqual([letter["message"] for letter in self.letters(path + ".1")], ["one"])

    def test_a_file_that_cannot_be_made_fails_the_start(self):
        path = os.path.join(self.folder(), "none", "refused")
        result = run_program("ps_to_http", "--pubsub-url=http://127.0.0.1:1",
                             "--destination-post-url=http://127.0.0.1:1/", "--dead-letter=" + path)
        self.assertEqual(result.returncode, 1)
        self.assertIn(path, result.stderr)


if __name__ == "__main__":
    unittest.main()
