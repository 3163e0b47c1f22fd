"""ps_to_http between a scripted source and a recording destination."""

import os
import re
import signal
import tempfile
import threading
import time
import unittest

from harness import Daemon, Sink, free_port, run_program, wait_until
from scripted_http import ScriptedSource

# run.py runs this file against the sanitized programs too.
SANITIZED = True


def summary(bridge):
    """The numbers of the last line: received, delivered, refused, pending."""
    line = bridge.stderr().rstrip("\n").rsplit("\n", 1)[-1]
    match = re.fullmatch(
        r"ps_to_http: (\d+) received, (\d+) delivered, (\d+) refused, (\d+) pending", line)
    if not match:
        raise AssertionError("no summary in %r" % line)
    return tuple(int(number) for number in match.groups())


class Case(unittest.TestCase):
    def start(self, *args, source=None, paths=("POST /put",), answer=None):
        """A bridge from self.source to self.sink, whose URLs are given as `METHOD PATH`."""
        self.source = source or ScriptedSource()
        self.addCleanup(self.source.close)
        self.sink = Sink(answer)
        self.addCleanup(self.sink.close)
        urls = ["--destination-%s-url=%s" % (method.lower(), self.sink.url(path))
                for method, path in (text.split(" ", 1) for text in paths)]
        bridge = Daemon("ps_to_http", "--pubsub-url=" + self.source.url(), "--max-backoff=200ms",
                        *urls, *args)
        self.addCleanup(bridge.kill)
        self.stream = self.source.stream(0)
        return bridge

    def seen(self):
        with self.sink.lock:
            return [(r.method, r.target, r.body) for r in self.sink.requests]

    def bodies(self):
        return [body for _, _, body in self.seen()]

    def targets(self):
        return [target for _, target, _ in self.seen()]

    def await_requests(self, count):
        wait_until(lambda: len(self.sink.requests) >= count, 20,
                   "request %d at the destination" % count)


class Messages(Case):
    def test_get_destination_gets_each_message_percent_encoded(self):
        bridge = self.start(paths=["GET /put?data=%s"])
        for chunk in (b"hello\n", b"ab\n", b"a b&c=d+e%\n", b"h\xc3\xa9llo\n", b"crlf\r\n", b"x\n"):
            self.stream.send(chunk)
        self.await_requests(6)
        # The recorded answers' case 234, where two-character messages and CRs were lost.
        self.assertEqual(self.targets(), [
            "/put?data=hello", "/put?data=ab", "/put?data=a%20b%26c=d%2Be%25",
            "/put?data=h%C3%A9llo", "/put?data=crlf%0D", "/put?data=x"])
        bridge.stop()
        self.assertEqual(summary(bridge), (6, 6, 0, 0))

    def test_other_percents_of_a_destination_are_text(self):
        self.start(paths=["GET /put?a=%20%d%n&data=%s&b=%2F"])
        self.stream.send(b"m%s\n")
        self.await_requests(1)
        self.assertEqual(self.targets(), ["/put?a=%20%d%n&data=m%25s&b=%2F"])

    def test_post_destination_gets_each_message_as_body(self):
        self.start()
        self.stream.send(b"hello\n")
        self.stream.send(b'{"a":1}\n')
        self.await_requests(2)
        self.assertEqual(self.bodies(), [b"hello", b'{"a":1}'])
        headers = {name.lower() for name in self.sink.requests[0].headers}
        self.assertEqual(headers, {"host", "content-length"})

    def test_a_message_may_be_split_over_chunks_anywhere(self):
        self.start()
        text = b"one1\ntwo2\nthree3\n"
        self.stream.send(b"one1\ntwo2\n")
        self.stream.send(b"thr")
        self.stream.send(b"ee3\n")
        for byte in text:
            self.stream.send(bytes([byte]))
        self.await_requests(6)
        self.assertEqual(self.bodies(), [b"one1", b"two2", b"three3"] * 2)

    def test_the_greeting_and_empty_lines_are_no_messages(self):
        bridge = self.start()
        self.stream.send(b"\r\n")
        self.stream.send(b"\nfirst\n\n\nsecond\n")
        self.stream.send(b"\r\n")
        self.stream.send(b"third\n")
        self.await_requests(4)
        self.assertEqual(self.bodies(), [b"first", b"second", b"\r", b"third"])
        bridge.stop()
        self.assertEqual(summary(bridge), (4, 4, 0, 0))

    def test_nul_and_every_other_byte_arrives(self):
        self.start(paths=["POST /put", "GET /get?d=%s"])
        every = bytes(b for b in range(256) if b != 10)
        self.stream.send(b"nul\0tail\n" + every + b"\n")
        self.await_requests(4)
        self.assertEqual([b for m, _, b in self.seen() if m == "POST"], [b"nul\0tail", every])
        self.assertIn("/get?d=nul%00tail", self.targets())

    def test_twenty_five_messages_arrive_in_order_on_one_connection(self):
        self.start()
        messages = [b"m%03d" % i for i in range(25)]
        for message in messages:
            self.stream.send(message + b"\n")
        self.await_requests(25)
        self.assertEqual(self.bodies(), messages)

    def test_a_source_that_is_not_chunked_is_read_too(self):
        self.start(source=ScriptedSource(chunked=False))
        self.stream.send(b"hello\n")
        self.stream.send(b"world\n")
        self.await_requests(2)
        self.assertEqual(self.bodies(), [b"hello", b"world"])

    def test_a_message_of_several_mebibytes_arrives_and_a_longer_one_than_allowed_is_refused(self):
        bridge = self.start("--max-message-bytes=5MiB")
        big = os.urandom(5 << 20).replace(b"\n", b"x")
        self.stream.send(big + b"\n")
        self.stream.send(big + b"y\n")
        self.stream.send(b"after\n")
        self.await_requests(2)
        self.assertTrue(self.bodies() == [big, b"after"])
        bridge.stop()
        self.assertEqual(summary(bridge), (3, 2, 1, 0))

    def test_batches_hold_what_waits_up_to_their_size(self):
        held = threading.Event()

        def answer(method, target, body):
            if body == b"0\n":
                held.wait(20)
            return 200

        self.start("--batch=10", paths=["POST /mput"], answer=answer)
        self.stream.send(b"0\n")
        self.await_requests(1)
        self.stream.send(b"".join(b"%d\n" % i for i in range(1, 25)))
        # The bridge has read them when it asks for the next chunk's worth: no signal says so, so the
        # order alone is certain; sizes are bounded.
        held.set()
        wait_until(lambda: b"".join(self.bodies()).count(b"\n") == 25, 20)
        self.assertEqual(b"".join(self.bodies()), b"".join(b"%d\n" % i for i in range(25)))
        self.assertLessEqual(max(body.count(b"\n") for body in self.bodies()), 10)
        self.assertLess(len(self.bodies()), 25)

    def test_headers_and_token_go_to_the_destination(self):
        with tempfile.NamedTemporaryFile() as token:
            token.write(b"s3cret\n")
            token.flush()
            bridge = self.start("--header=X-One: 1", "--auth-token-file=" + token.name)
            self.stream.send(b"m\n")
            self.await_requests(1)
            headers = self.sink.requests[0].headers
            self.assertEqual(headers["X-One"], "1")
            self.assertEqual(headers["Authorization"], "Bearer s3cret")
            self.assertIn(b"Authorization: Bearer s3cret", self.stream.head)
            self.assertNotIn("s3cret", bridge.stderr())


class ManyDestinations(Case):
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

    def test_a_destination_that_is_down_delays_no_other(self):
        bridge = self.start("--destination-post-url=http://127.0.0.1:%d/down" % free_port(),
                            "--drain-timeout=50ms")
        self.stream.send(b"".join(b"%d\n" % i for i in range(100)))
        self.await_requests(100)
        self.assertEqual(self.bodies(), [b"%d" % i for i in range(100)])
        bridge.stop(expected=1)
        self.assertEqual(summary(bridge), (100, 0, 0, 100))


class Failures(Case):
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
        wait_until(lambda: "sending again" in bridge.stderr(), 20)
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

    def test_a_second_source_takes_over(self):
        spare = ScriptedSource()
        self.addCleanup(spare.close)
        self.start("--pubsub-url=" + spare.url("/sub?topic=t"))
        self.stream.cut()
        stream = spare.stream(0)
        self.assertEqual(stream.target, "/sub?topic=t&multipart=0")
        stream.send(b"m\n")
        self.await_requests(1)

    def test_what_is_not_a_stream_is_not_forwarded(self):
        source = ScriptedSource(status=b"503 Busy")
        bridge = self.start(source=source)
        self.stream.send(b"an error page\n")
        source.stream(2)
        self.assertEqual(self.bodies(), [])
        self.assertIn("answered 503, not 200", bridge.stderr())


class Ends(Case):
    def test_silence_ends_with_3(self):
        bridge = self.start("--max-silence=300ms")
        self.stream.send(b"hello\n")
        self.assertEqual(bridge.wait(), 3)
        self.assertEqual(self.bodies(), [b"hello"])
        self.assertEqual(summary(bridge), (1, 1, 0, 0))

    def test_sigterm_delivers_what_is_pending_and_reads_no_more(self):
        gate = threading.Event()

        def answer(method, target, body):
            gate.wait(20)
            return 200

        bridge = self.start(answer=answer)
        self.stream.send(b"".join(b"%d\n" % i for i in range(50)))
        self.await_requests(1)
        bridge.signal(signal.SIGTERM)
        wait_until(self.stream.closed_by_peer, 20, "the end of reading")
        gate.set()
        self.assertEqual(bridge.wait(), 0)
        received, delivered, refused, pending = summary(bridge)
        self.assertEqual((delivered, refused, pending), (received, 0, 0))
        self.assertEqual(self.bodies(), [b"%d" % i for i in range(received)])

    def test_what_cannot_be_delivered_in_time_is_counted_and_exits_1(self):
        bridge = self.start("--drain-timeout=100ms", answer=lambda m, t, b: 500)
        self.stream.send(b"one\ntwo\n")
        self.await_requests(2)
        bridge.signal(signal.SIGTERM)
        self.assertEqual(bridge.wait(), 1)
        self.assertEqual(summary(bridge), (2, 0, 0, 2))

    def test_a_second_signal_ends_at_once(self):
        bridge = self.start("--drain-timeout=60s", answer=lambda m, t, b: 500)
        self.stream.send(b"one\n")
        self.await_requests(1)
        bridge.signal(signal.SIGTERM)
        wait_until(self.stream.closed_by_peer, 20, "the end of reading")
        bridge.signal(signal.SIGTERM)
        self.assertEqual(bridge.wait(10), 1)

    def test_progress_is_printed(self):
        bridge = self.start("--stats-interval=20ms")
        self.stream.send(b"one\n")
        wait_until(lambda: re.search(r"1 received, 1 delivered, 0 refused, 0 pending \(0\), \d+/s",
                                     bridge.stderr()), 20)


class BackPressure(Case):
    def test_a_stalled_destination_stops_the_reading_and_bounds_memory(self):
        gate = threading.Event()

        def answer(method, target, body):
            gate.wait(60)
            return 200

        bridge = self.start("--max-pending-bytes=1MiB", "--batch=1000", paths=["POST /mput"],
                            source=ScriptedSource(chunked=False), answer=answer)
        lines = b"".join(b"%099d\n" % i for i in range(600_000))  # 60 MB
        sent = self.stream.send_while_taken(lines)
        # What the sockets hold (some MB) and the buffer; far from all.
        self.assertLess(sent, 30_000_000)
        self.assertLess(bridge.resident_bytes(), 48 << 20)
        gate.set()
        self.stream.connection.sendall(lines[sent:])
        wait_until(lambda: sum(len(body) for body in self.bodies()) == len(lines), 60)
        self.assertTrue(b"".join(self.bodies()) == lines)
        bridge.stop()
        self.assertEqual(summary(bridge), (600_000, 600_000, 0, 0))


class Options(unittest.TestCase):
    def check(self, args, *words):
        result = run_program("ps_to_http", *args)
        self.assertEqual(result.returncode, 2, result.stderr)
        self.assertEqual(result.stderr.count("\n"), 1, result.stderr)
        for word in words:
            self.assertIn(word, result.stderr)

    def test_what_is_missing_or_wrong_is_named(self):
        pubsub = "--pubsub-url=http://127.0.0.1:1"
        post = "--destination-post-url=http://127.0.0.1:1/put"
        self.check([pubsub], "--destination-get-url or --destination-post-url")
        self.check([post], "--pubsub-url")
        self.check([pubsub, "--destination-get-url=http://h/put?data="], "--destination-get-url",
                   "http://h/put?data=", "exactly one %s")
        self.check([pubsub, "--destination-get-url=http://h/%s/%s"], "exactly one %s")
        self.check([pubsub, "--destination-get-url=http://%s/"], "after its host")
        self.check([pubsub, "--destination-post-url=ftp://h/"], "ftp://h/", "http://")
        self.check(["--pubsub-url=http://h/sub?multipart=1", post], "multipart=0")
        self.check([pubsub, post, "--batch=0"], "--batch", "0")
        self.check([pubsub, post, "--max-in-flight=x"], "--max-in-flight", "x")
        self.check([pubsub, post, "--max-silence=-1"], "--max-silence", "-1")
        self.check([pubsub, post, "--header=nothing"], "--header", "Name: value")
        self.check([pubsub, "--destination-get-url=http://h/%s", "--batch=2"], "--batch")

    def test_a_token_file_that_others_read_fails_the_start(self):
        with tempfile.NamedTemporaryFile() as token:
            token.write(b"t")
            token.flush()
            os.chmod(token.name, 0o644)
            result = run_program("ps_to_http", "--pubsub-url=http://127.0.0.1:1",
                                 "--destination-post-url=http://127.0.0.1:1/",
                                 "--auth-token-file=" + token.name)
            self.assertEqual(result.returncode, 1)
            self.assertIn(token.name, result.stderr)


if __name__ == "__main__":
    unittest.main()
