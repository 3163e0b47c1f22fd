"""ps_to_http between a scripted source and a recording destination: messages, options, its end."""

import os
import re
import signal
import tempfile
import threading
import unittest

from bridge_case import BridgeCase, summary
from harness import IS_SANITIZED, run_program, wait_until
from scripted_http import ScriptedSource

# run.py runs this file against the sanitized programs too.
SANITIZED = True


class Messages(BridgeCase):
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


class Ends(BridgeCase):
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
        self.assertEqual(bridge.wait(), 1)

    def test_progress_is_printed(self):
        bridge = self.start("--stats-interval=20ms")
        self.stream.send(b"one\n")
        wait_until(lambda: re.search(r"1 received, 1 delivered, 0 refused, 0 pending \(0\), \d+/s",
                                     bridge.stderr()), 20)


class BackPressure(BridgeCase):
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
        if not IS_SANITIZED:
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
        self.check([pubsub, post, "--spool-max-bytes=2MiB"], "--spool-max-bytes", "--spool-path")
        self.check([pubsub, post, "--spool-path=/x", "--spool-full=panic"], "panic", "drop-oldest")
        self.check([pubsub, post, "--spool-path=/x", "--spool-sync=often"], "--spool-sync", "often")
        self.check([pubsub, post, "--http-address=0.0.0.0:0"], "--http-address", "--insecure")
        self.check([pubsub, post, "--insecure"], "--insecure", "--http-address")
        self.check([pubsub, post, "--filter-require=US"], "--filter-require", "KEY=VALUE")

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
