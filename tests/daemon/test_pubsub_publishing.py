"""The ways to publish beside a plain POST: uploads that are published as they come, PUT, WebSockets,
and Idempotency-Key."""

import base64
import json
import os
import signal
import struct
import subprocess
import tempfile
import unittest

from harness import Connection, Daemon, get, post, request, wait_until
from pubsub_streams import PubsubTest, Subscriber

# run.py runs this file against the sanitized programs too.
SANITIZED = True

UPLOAD = b"POST /pub%s HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"


def chunk(data):
    return b"%x\r\n%s\r\n" % (len(data), data)


class Upload(Connection):
    """A chunked body of /pub."""

    def __init__(self, port, query=b""):
        super().__init__(port)
        self.send(UPLOAD % query)

    def more(self, data):
        self.send(chunk(data))

    def end(self):
        self.send(b"0\r\n\r\n")
        return self.read_response()


class UploadTest(PubsubTest):
    OPTIONS = ("--retain-bytes=8MiB", "--max-body-size=64KiB")

    def test_lines_are_published_as_they_come(self):
        with Subscriber(self.port) as reader, Upload(self.port) as upload:
            upload.more(b"one\ntwo\nth")
            reader.expect(self, b"one\ntwo\n")
            upload.more(b"ree\n")
            reader.expect(self, b"three\n")
            upload.more(b"half")
            self.assertEqual(self.stats()["messages_received"], 3)
            answer = upload.end()
            reader.expect(self, b"half\n")
        self.assertEqual((answer.status, answer.text), (200, "Published 4 messages to 1 clients.\n"))
        self.assertEqual(answer.header("X-Offset"), "0")

    def test_frames_are_published_as_they_come(self):
        with Subscriber(self.port, "?format=framed", b"") as reader, \
                Upload(self.port, b"?format=framed") as upload:
            upload.more(b"3\na\nb\n")
            reader.expect(self, b"3\na\nb\n")
            for byte in b"2\n\0\n\n0\n\n":
                upload.more(bytes([byte]))
            reader.expect(self, b"2\n\0\n\n0\n\n")
            self.assertEqual(upload.end().text, "Published 3 messages to 1 clients.\n")

    def test_more_than_a_body_may_have_can_be_uploaded(self):
        with Upload(self.port) as upload:
            for i in range(100):
                upload.more(b"".join(b"%099d\n" % j for j in range(i * 100, i * 100 + 100)))
            self.assertEqual(upload.end().text, "Published 10000 messages to 0 clients.\n")
        self.assertEqual(self.past("?format=framed&since=earliest&until=now").body,
                         b"".join(b"99\n%099d\n" % i for i in range(10000)))

    def test_a_message_beyond_max_body_size_is_refused_and_those_before_it_stay(self):
        for query, large in ((b"", b"x" * 40000), (b"?format=framed", b"70000\n")):
            with Upload(self.port, query) as upload:
                upload.more(b"a\n" if not query else b"1\na\n")
                upload.more(large)
                try:
                    upload.more(large)
                except (BrokenPipeError, ConnectionResetError):
                    pass
                answer = upload.read_response()
                self.assertEqual(answer.status, 413)
                self.assertIn("64KiB", answer.text)
                self.assertIn("1 messages before it were published", answer.text)
                self.assertTrue(upload.closed())
        self.assertEqual(self.stats()["messages_received"], 2)

    def test_what_is_no_frame_is_refused_at_its_byte(self):
        with Upload(self.port, b"?format=framed") as upload:
            upload.more(b"1\na\nx")
            answer = upload.read_response()
            self.assertEqual(answer.status, 400)
            self.assertIn("at byte 4 ", answer.text)
        with Upload(self.port, b"?format=framed") as upload:
            upload.more(b"1\na\n5\nhe")
            answer = upload.end()
            self.assertEqual(answer.status, 400)
            self.assertIn("ends inside the frame at byte 4", answer.text)

    def test_wrong_parameters_are_refused_before_the_body(self):
        for query, name in ((b"?format=xml", "format=xml"), (b"?topic=a,b", "topic")):
            with Upload(self.port, query) as upload:
                answer = upload.read_response()
                self.assertEqual(answer.status, 400)
                self.assertIn(name, answer.text)

    def test_a_client_that_goes_leaves_the_whole_messages_it_sent(self):
        with Upload(self.port) as upload:
            upload.more(b"whole\nhalf")
            wait_until(lambda: self.stats()["messages_received"] == 1)
        self.publish(b"after")
        self.assertEqual(self.past("?format=framed&since=earliest&until=now").body,
                         b"5\nwhole\n5\nafter\n")

    def test_a_whole_body_is_one_message_however_it_is_chunked(self):
        with Upload(self.port, b"?whole=1") as upload:
            upload.more(b"a\n")
            upload.more(b"b")
            self.assertEqual(upload.end().text, "Published 1 messages to 0 clients.\n")
        self.assertEqual(self.past("?format=framed&since=earliest&until=now").body, b"3\na\nb\n")

    def test_requests_behind_an_upload_are_served(self):
        with Connection(self.port) as connection:
            connection.send(UPLOAD % b"" + chunk(b"a\n") + b"0\r\n\r\nGET /ping HTTP/1.1\r\nHost: h\r\n\r\n")
            self.assertEqual(connection.read_response().text, "Published 1 messages to 0 clients.\n")
            self.assertEqual(connection.read_response().text, "OK")

    def test_curl_uploads_a_pipe_and_a_file(self):
        curl = ["curl", "-sS", "--no-buffer", "-T"]
        with Subscriber(self.port) as reader:
            process = subprocess.Popen(curl + ["-", self.daemon.url("/pub")], stdin=subprocess.PIPE,
                                       stdout=subprocess.PIPE)
            process.stdin.write(b"first\n")
            process.stdin.flush()
            reader.expect(self, b"first\n")
            answer, _ = process.communicate(b"second\n", timeout=20)
            reader.expect(self, b"second\n")
        self.assertEqual(answer, b"Published 2 messages to 1 clients.\n")
        answer = subprocess.run(curl + [os.path.abspath(__file__), self.daemon.url("/pub?whole=1")],
                                capture_output=True, timeout=20)
        self.assertEqual(answer.stdout, b"Published 1 messages to 0 clients.\n")


class PutTest(PubsubTest):
    def test_a_put_is_a_post(self):
        with Subscriber(self.port) as reader:
            answer = request("PUT", self.daemon.url("/pub"), b"a\nb")
            self.assertEqual((answer.status, answer.text),
                             (200, "Published 2 messages to 1 clients.\n"))
            reader.expect(self, b"a\nb\n")

    def test_the_answer_tells_the_first_offset(self):
        self.assertEqual(post(self.daemon.url("/pub"), b"a\nb").header("X-Offset"), "0")
        self.assertEqual(post(self.daemon.url("/pub"), b"c\nd").header("X-Offset"), "2")
        self.assertEqual(get(self.daemon.url("/pub?data=e")).header("X-Offset"), "4")
        self.assertIsNone(post(self.daemon.url("/pub"), b"").header("X-Offset"))


class ManyMessagesTest(PubsubTest):
    def test_a_body_has_a_million_messages_at_most(self):
        limit = 1 << 20
        for body, status in ((b"\n" * limit, 200), (b"\n" * (limit + 1), 413), (b"\n" * limit + b"x", 413)):
            answer = post(self.daemon.url("/pub"), body)
            self.assertEqual(answer.status, status, len(body))
        self.assertEqual(answer.text, "the body has 1048577 messages: it must have at most 1048576; send it in parts, or "
                                      "chunked, which is published as it comes\n")
        frames = b"0\n\n" * (limit + 1)
        self.assertEqual(post(self.daemon.url("/pub?format=framed"), frames).status, 413)
        self.assertEqual(get(self.daemon.url("/topics")).json()[0]["next_offset"], limit)


class KeyTest(unittest.TestCase):
    def publish(self, daemon, body, key, query=""):
        return post(daemon.url("/pub" + query), body, {"Idempotency-Key": key})

    def test_a_repeated_key_publishes_nothing_and_is_answered_as_the_first_time(self):
        with Daemon("pubsub") as daemon, Subscriber(daemon.port) as reader:
            first = self.publish(daemon, b"a\nb", "k")
            self.assertIsNone(first.header("Idempotency-Replayed"))
            with Subscriber(daemon.port):
                again = self.publish(daemon, b"a\nb", "k")
            self.assertEqual(again.text, "Published 2 messages to 1 clients.\n")
            self.assertEqual(again.header("Idempotency-Replayed"), "true")
            self.assertEqual(again.header("X-Offset"), first.header("X-Offset"))
            other_topic = self.publish(daemon, b"c", "k", "?topic=t")
            self.assertIsNone(other_topic.header("Idempotency-Replayed"))
            self.publish(daemon, b"d", "other")
            reader.expect(self, b"a\nb\nd\n")
            stats = daemon.stats()
            self.assertEqual((stats["idempotency_keys"], stats["idempotency_replays"]), (3, 1))

    def test_a_key_comes_with_a_chunked_body_too(self):
        with Daemon("pubsub", "--retain-bytes=1MiB") as daemon:
            for replayed in (None, "true"):
                with Connection(daemon.port) as client:
                    client.send(b"POST /pub HTTP/1.1\r\nHost: h\r\nIdempotency-Key: k\r\n"
                                b"Transfer-Encoding: chunked\r\n\r\n" + chunk(b"a\nb"))
                    self.assertEqual(daemon.stats()["messages_received"], 2 if replayed else 0)
                    client.send(b"0\r\n\r\n")
                    answer = client.read_response()
                self.assertEqual(answer.text, "Published 2 messages to 0 clients.\n")
                self.assertEqual(answer.header("Idempotency-Replayed"), replayed)

    def test_a_refused_body_leaves_no_key(self):
        with Daemon("pubsub") as daemon:
            self.assertEqual(self.publish(daemon, b"x", "k", "?format=framed").status, 400)
            answer = self.publish(daemon, b"1\nx\n", "k", "?format=framed")
            self.assertEqual(answer.status, 200)
            self.assertIsNone(answer.header("Idempotency-Replayed"))

    def test_a_key_is_forgotten_behind_its_window(self):
        with Daemon("pubsub", "--dedupe-window=200ms") as daemon:
            self.assertEqual(self.publish(daemon, b"a", "k").status, 200)
            wait_until(lambda: self.publish(daemon, b"a", "k").header("Idempotency-Replayed") is None)
            wait_until(lambda: daemon.stats()["idempotency_keys"] == 0)

    def test_wrong_keys_are_refused(self):
        with Daemon("pubsub") as daemon:
            for key in ("", "k" * 257):
                answer = self.publish(daemon, b"a", key)
                self.assertEqual(answer.status, 400)
                self.assertIn("Idempotency-Key", answer.text)
            answer = get(daemon.url("/pub?data=a"), {"Idempotency-Key": "k"})
            self.assertEqual(answer.status, 400)
        with Daemon("pubsub", "--dedupe-window=0") as daemon:
            answer = self.publish(daemon, b"a", "k")
            self.assertEqual(answer.status, 400)
            self.assertIn("--dedupe-window=0", answer.text)
            self.assertEqual(post(daemon.url("/pub"), b"a").status, 200)


class Socket(Connection):
    """A WebSocket to /pub; frames as RFC 6455 5.2 draws them."""

    def __init__(self, port, query=""):
        super().__init__(port)
        key = base64.b64encode(os.urandom(16)).decode()
        self.send(("GET /pub%s HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                   "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: %s\r\n\r\n"
                   % (query, key)).encode())
        self.head = self.read_head()

    def frame(self, payload, opcode=2):
        mask = os.urandom(4)
        size = (bytes([0x80 | len(payload)]) if len(payload) < 126
                else struct.pack(">BH", 0x80 | 126, len(payload)))
        return bytes([0x80 | opcode]) + size + mask + bytes(
            byte ^ mask[i % 4] for i, byte in enumerate(payload))

    def read_frame(self):
        opcode, size = self.read_exactly(2)
        if size == 126:
            size = struct.unpack(">H", self.read_exactly(2))[0]
        return opcode & 15, self.read_exactly(size)

    def told(self, published):
        """What is told once so many messages are published."""
        while True:
            opcode, payload = self.read_frame()
            answer = json.loads(payload)
            if opcode != 1 or answer["published"] >= published:
                return answer


class SocketTest(PubsubTest):
    OPTIONS = ("--retain-bytes=1MiB",)

    def test_every_message_is_published_whole_and_told(self):
        self.publish(b"before")
        with Subscriber(self.port, "?format=framed", b"") as reader, Socket(self.port) as socket:
            self.assertEqual(socket.head.status, 101)
            socket.send(socket.frame(b"one\ntwo", 1))
            reader.expect(self, b"7\none\ntwo\n")
            self.assertEqual(socket.told(1), {"published": 1, "offset": 1})
            socket.send(socket.frame(b"\0\xff"))
            reader.expect(self, b"2\n\0\xff\n")
            self.assertEqual(socket.told(2), {"published": 2, "offset": 2})
            socket.send(socket.frame(b"") * 500)
            self.assertEqual(socket.told(502), {"published": 502, "offset": 502})
            socket.send(socket.frame(struct.pack(">H", 1000), 8))
            self.assertEqual(socket.read_frame(), (8, struct.pack(">H", 1000)))

    def test_lines_are_published_as_lines(self):
        with Socket(self.port, "?format=lines&topic=t") as socket:
            socket.send(socket.frame(b"one\ntwo\n"))
            self.assertEqual(socket.told(2), {"published": 2, "offset": 1})
        self.assertEqual(self.past("?topic=t&format=framed&since=earliest&until=now").body,
                         b"3\none\n3\ntwo\n")

    def test_wrong_parameters_are_refused_in_the_handshake(self):
        for query in ("?format=framed", "?topic=a,b"):
            with Socket(self.port, query) as socket:
                self.assertEqual(socket.head.status, 400)

    def test_a_drain_tells_what_was_published_and_ends_with_1001(self):
        with Socket(self.port) as socket:
            socket.send(socket.frame(b"last"))
            self.assertEqual(socket.told(1), {"published": 1, "offset": 0})
            self.daemon.signal(signal.SIGTERM)
            opcode, payload = socket.read_frame()
            self.assertEqual((opcode, payload[:2]), (8, struct.pack(">H", 1001)))
            socket.send(socket.frame(payload[:2], 8))
            self.assertTrue(socket.closed())
        self.assertEqual(self.daemon.wait(), 0)

    def test_a_message_beyond_max_body_size_ends_it_with_1009(self):
        with Daemon("pubsub", "--max-body-size=1KiB") as daemon, Socket(daemon.port) as socket:
            socket.send(socket.frame(b"m" * 1024))
            self.assertEqual(socket.told(1), {"published": 1, "offset": 0})
            socket.send(socket.frame(b"m" * 1025))
            opcode, payload = socket.read_frame()
            self.assertEqual((opcode, payload[:2]), (8, struct.pack(">H", 1009)))


class DurableTest(unittest.TestCase):
    def test_what_was_answered_or_told_comes_back_after_a_crash(self):
        with tempfile.TemporaryDirectory() as path:
            options = ("--data-path=" + path, "--segment-bytes=1MiB")
            lines = [b"%099d" % i for i in range(30_000)]
            with Daemon("pubsub", *options) as daemon:
                with Upload(daemon.port, b"?topic=up") as upload:
                    for i in range(0, len(lines), 600):
                        upload.more(b"\n".join(lines[i:i + 600]) + b"\n")
                    self.assertEqual(upload.end().text,
                                     "Published 30000 messages to 0 clients.\n")
                with Socket(daemon.port, "?topic=ws") as socket:
                    for line in lines[:500]:
                        socket.send(socket.frame(line))
                    self.assertEqual(socket.told(500), {"published": 500, "offset": 499})
                    first = post(daemon.url("/pub?topic=key"), b"a\nb", {"Idempotency-Key": "k"})
                    daemon.kill()
            with Daemon("pubsub", *options) as daemon:
                for topic, expected in (("up", lines), ("ws", lines[:500])):
                    answer = get(daemon.url(
                        "/sub?format=lines&since=earliest&until=now&topic=" + topic))
                    self.assertEqual(answer.body, b"\r\n" + b"".join(m + b"\n" for m in expected))
                again = post(daemon.url("/pub?topic=key"), b"a\nb", {"Idempotency-Key": "k"})
                self.assertEqual(again.header("Idempotency-Replayed"), "true")
                self.assertEqual(again.text, first.text)
                stats = daemon.stats()
                self.assertEqual(stats["messages_received"], 0)
                self.assertGreater(stats["data_path_bytes"], 3_000_000)
                self.assertIn("syncs", stats["journal"])


class OriginTest(unittest.TestCase):
    def test_pages_of_other_origins_may_not_listen_nor_publish(self):
        with Daemon("pubsub", "--allow-origin=https://ok.example") as daemon:
            for path in ("/sub?format=sse", "/sub?multipart=0"):
                answer = get(daemon.url(path), {"Origin": "https://evil.example"})
                self.assertEqual(answer.status, 403)
                self.assertIn("--allow-origin", answer.text)
            self.assertEqual(get(daemon.url("/sub?format=sse&until=now&topic=allowed"),
                                 {"Origin": "https://ok.example"}).status, 200)
            upgrade = {"Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Version": "13",
                       "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ=="}
            for path in ("/sub", "/pub"):
                answer = get(daemon.url(path), {**upgrade, "Origin": "https://evil.example"})
                self.assertEqual(answer.status, 403)
            # A page may send such a POST without asking first.
            for body in (b"x", b"", None):
                answer = request("POST", daemon.url("/pub"), body, {"Origin": "https://evil.example"})
                self.assertEqual(answer.status, 403)
            self.assertEqual(post(daemon.url("/pub?topic=allowed"), b"x", {"Origin": "https://ok.example"}).status, 200)
            self.assertEqual(get(daemon.url("/clients")).text, "no /sub connections\n")
            # Nor does asking make a topic.
            names = [topic["name"] for topic in get(daemon.url("/topics")).json()]
            self.assertEqual(names, ["allowed"])


if __name__ == "__main__":
    unittest.main()
