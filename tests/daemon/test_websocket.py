"""WebSocket against the real daemon, by the letter of RFC 6455, and with a client that others wrote."""

import asyncio
import struct
import tempfile
import unittest

from harness import IS_SANITIZED, Daemon, get, post, raw_request, wait_until
from websocket_client import (BINARY, CLOSE, CONTINUATION, PING, PONG, TEXT, RawWebSocket, close_payload, frame,
                              handshake)

SANITIZED = True
MIB = 1 << 20


class WebSocketTest(unittest.TestCase):
    OPTIONS = ("--max-body-size=4MiB",)

    def setUp(self):
        self.daemon = Daemon("pubsub", *self.OPTIONS)
        self.addCleanup(self.daemon.kill)
        self.opened = []

    def tearDown(self):
        for ws in self.opened:
            ws.close()
        self.daemon.stop()

    def open(self, target="/sub", **fields):
        ws = RawWebSocket(self.daemon.port, target, **fields)
        self.opened.append(ws)
        return ws

    def publish(self, body, query="?whole=1"):
        self.assertEqual(post(self.daemon.url("/pub" + query), body).status, 200)

    def assert_fails_with(self, code, *frames, target="/pub"):
        """These frames make the server close with that code, and the connection ends."""
        ws = self.open(target)
        ws.send_raw(b"".join(frames))
        while True:
            opcode, payload = ws.read_message()
            if opcode == CLOSE:
                break
        self.assertEqual(struct.unpack("!H", payload[:2])[0], code, payload)
        self.assertTrue(ws.closed())


class HandshakeTest(WebSocketTest):
    def status(self, target="/sub", **fields):
        return raw_request(self.daemon.port, handshake(target, **fields))[0]

    def test_the_answer_is_that_of_the_rfc(self):
        ws = self.open()
        self.assertEqual(ws.head.header("Sec-WebSocket-Accept"), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=")
        self.assertEqual(ws.head.header("Upgrade").lower(), "websocket")
        self.assertEqual(ws.head.header("Connection").lower(), "upgrade")
        self.assertIsNone(ws.head.header("Transfer-Encoding"))
        self.assertIsNone(ws.head.header("Content-Length"))

    def test_names_in_fields_have_no_case_and_may_stand_in_a_list(self):
        self.open(Upgrade="WebSocket", Connection="keep-alive, UPGRADE")

    def test_another_version_is_told_which_one_is_spoken(self):
        for version in ("8", "12", "14", "x", None):
            answer = self.status(Sec_WebSocket_Version=version)
            self.assertIn(answer.status, (400, 426), version)
            self.assertEqual(answer.header("Sec-WebSocket-Version"), "13")

    def test_a_key_must_be_sixteen_bytes(self):
        for key in (None, "", "short", "dGhlIHNhbXBsZSBub25jZQ", "!" * 24):
            self.assertEqual(self.status(Sec_WebSocket_Key=key).status, 400, key)

    def test_pages_of_other_origins_are_refused(self):
        self.assertEqual(self.status(Origin="http://evil.example").status, 403)
        self.assertEqual(self.status(Origin="null").status, 403)
        self.open(Origin="http://localhost", Host="localhost")

    def test_an_allowed_origin_is_let_in(self):
        with Daemon("pubsub", "--allow-origin=http://page.example") as daemon:
            RawWebSocket(daemon.port, Origin="http://page.example").close()

    def test_the_token_is_asked_for(self):
        with tempfile.NamedTemporaryFile("w") as token:
            token.write("secret\n")
            token.flush()
            with Daemon("pubsub", "--auth-token-file=" + token.name) as daemon:
                self.assertEqual(raw_request(daemon.port, handshake())[0].status, 401)
                RawWebSocket(daemon.port, "/sub?token=secret").close()


class FramesTest(WebSocketTest):
    def test_a_message_of_any_size_is_one_frame(self):
        ws = self.open()
        for size in (0, 1, 125, 126, 127, 65535, 65536, MIB):
            self.publish(b"x" * size)
            self.assertEqual(ws.read_message(), (TEXT, b"x" * size))

    def test_what_is_not_utf8_comes_as_binary(self):
        ws = self.open()
        for body, opcode in ((b"h\xc3\xa9", TEXT), (b"\xff", BINARY), (b"\xc3", BINARY), (b"a\0b", TEXT),
                             (b"\xed\xa0\x80", BINARY), (b"\xf4\x8f\xbf\xbf", TEXT), (b"\xf4\x90\x80\x80", BINARY)):
            self.publish(body)
            self.assertEqual(ws.read_message(), (opcode, body))

    def test_a_message_from_a_client_may_come_in_fragments_with_control_frames_between(self):
        ws = self.open("/pub")
        ws.send(TEXT, b"frag", fin=False)
        ws.send(PING, b"between")
        self.assertEqual(ws.read_message(), (PONG, b"between"))
        ws.send(CONTINUATION, b"", fin=False)
        ws.send(PONG, b"nobody asked")
        ws.send(CONTINUATION, b"mented")
        self.assertEqual(ws.read_message()[0], TEXT)
        listener = self.open("/sub?since=earliest")
        del listener  # nothing is retained; what was published is seen in the counters
        self.assertEqual(get(self.daemon.url("/topics")).json()[0]["published_bytes"], len("fragmented"))

    def test_frames_may_come_a_byte_at_a_time_or_all_at_once(self):
        for pieces in (1, 1000):
            ws = self.open("/pub?topic=t%d" % pieces)
            data = frame(TEXT, b"one") + frame(TEXT, b"t", fin=False) + frame(CONTINUATION, b"wo") + frame(PING, b"p")
            for at in range(0, len(data), pieces):
                ws.send_raw(data[at:at + pieces])
            while ws.read_message() != (PONG, b"p"):
                pass
            topic = [t for t in get(self.daemon.url("/topics")).json() if t["name"] == "t%d" % pieces][0]
            self.assertEqual((topic["next_offset"], topic["published_bytes"]), (2, 6))

    def test_a_ping_is_answered_with_its_payload(self):
        ws = self.open()
        for payload in (b"", b"x", b"y" * 125):
            ws.send(PING, payload)
            self.assertEqual(ws.read_message(), (PONG, payload))

    def test_what_breaks_the_protocol_is_closed_with_1002(self):
        cases = {
            "not masked": frame(TEXT, b"x", mask=False),
            "reserved bit": frame(TEXT, b"x", reserved=4),
            "unknown data opcode": frame(3, b"x"),
            "unknown control opcode": frame(11, b"x"),
            "a ping of 126 bytes": frame(PING, b"x" * 126),
            "a fragmented ping": frame(PING, b"x", fin=False),
            "a continuation of nothing": frame(CONTINUATION, b"x"),
            "a message inside a message": frame(TEXT, b"x", fin=False) + frame(TEXT, b"y"),
            "a close of one byte": frame(CLOSE, b"\x03"),
            "a close with a code that nobody sends": frame(CLOSE, close_payload(1005)),
            "a close with code 999": frame(CLOSE, close_payload(999)),
            "a close with code 1006": frame(CLOSE, close_payload(1006)),
        }
        for name, frames in cases.items():
            with self.subTest(name):
                self.assert_fails_with(1002, frames)

    def test_text_that_is_not_utf8_is_closed_with_1007(self):
        for name, frames in {
                "a byte": frame(TEXT, b"\xff"),
                "a lone surrogate": frame(TEXT, b"\xed\xa0\x80"),
                "overlong": frame(TEXT, b"\xc0\xaf"),
                "cut off": frame(TEXT, b"\xe2\x82"),
                "over two fragments": frame(TEXT, b"\xe2", fin=False) + frame(CONTINUATION, b"\x28\xa1"),
                "a close reason": frame(CLOSE, close_payload(1000, b"\xff"))}.items():
            with self.subTest(name):
                self.assert_fails_with(1007, frames)

    def test_a_character_may_be_split_over_fragments(self):
        ws = self.open("/pub")
        ws.send(TEXT, b"\xe2\x82", fin=False)
        ws.send(CONTINUATION, b"\xac")
        self.assertEqual(ws.read_message()[0], TEXT)

    def test_a_message_beyond_the_limit_is_closed_with_1009(self):
        self.assert_fails_with(1009, frame(BINARY, b"x" * (4 * MIB + 1)))
        self.assert_fails_with(1009, frame(BINARY, b"x" * 3 * MIB, fin=False),
                               frame(CONTINUATION, b"x" * 2 * MIB))

    def test_a_length_that_nobody_can_mean_is_refused_at_once(self):
        for length in (1 << 62, 1 << 63):
            ws = self.open("/pub")
            ws.send_raw(b"\x82" + struct.pack("!BQ", 0xff, length) + b"\0\0\0\0" + b"x" * 1000)
            self.assertIn(ws.read_close()[0], (1002, 1009))
        self.assertLess(self.daemon.resident_bytes(), 600 * MIB)


class CloseTest(WebSocketTest):
    def test_a_close_is_answered_with_its_code(self):
        for code in (1000, 1001, 1003, 1011, 3000, 4999):
            ws = self.open()
            ws.send(CLOSE, close_payload(code, b"bye"))
            self.assertEqual(ws.read_close()[0], code)
            self.assertTrue(ws.closed())

    def test_a_close_without_a_code_is_answered(self):
        ws = self.open()
        ws.send(CLOSE)
        self.assertIn(ws.read_close()[0], (None, 1000))
        self.assertTrue(ws.closed())

    def test_a_subscriber_that_closes_or_breaks_off_is_gone(self):
        ws = self.open()
        self.open().close()
        ws.send(CLOSE, close_payload(1000))
        wait_until(lambda: get(self.daemon.url("/clients")).text == "no /sub connections\n",
                   what="the subscribers' end")

    def test_the_daemons_end_is_told_with_1001(self):
        sub, pub = self.open(), self.open("/pub")
        self.publish(b"last")
        self.daemon.process.terminate()
        self.assertEqual(sub.read_message(), (TEXT, b"last"))
        self.assertEqual(sub.read_close()[0], 1001)
        self.assertEqual(pub.read_close()[0], 1001)
        for ws in (sub, pub):
            ws.send(CLOSE, close_payload(1001))
        self.daemon.wait()

    def test_until_ends_with_1000(self):
        with Daemon("pubsub", "--retain-bytes=1MiB") as daemon:
            post(daemon.url("/pub"), b"a\nb")
            ws = RawWebSocket(daemon.port, "/sub?since=earliest&until=now&offsets=1")
            self.assertEqual([ws.read_message(), ws.read_message()], [(TEXT, b"0 a"), (TEXT, b"1 b")])
            self.assertEqual(ws.read_close()[0], 1000)
            ws.close()


class PublishTest(WebSocketTest):
    def test_each_message_is_published_whole_and_told_of(self):
        ws = self.open("/pub?topic=t")
        sub = self.open("/sub?topic=t")
        for number, (opcode, body) in enumerate(((TEXT, b"two\nlines"), (BINARY, b"\xff\0"), (TEXT, b""))):
            ws.send(opcode, body)
            told = ws.read_message()
            self.assertEqual(told[0], TEXT)
            self.assertEqual(told[1], b'{"published":%d,"offset":%d}' % (number + 1, number))
            self.assertEqual(sub.read_message()[1], body)

    def test_a_publisher_that_reads_no_answers_costs_nothing_and_all_is_published(self):
        ws = self.open("/pub")
        before = self.daemon.resident_bytes()
        data = frame(TEXT, b"x" * 20) * 1000
        for _ in range(100):
            ws.send_raw(data)
        wait_until(lambda: get(self.daemon.url("/topics")).json()[0]["next_offset"] == 100_000, 60.0,
                   "publishing of 100,000")
        if not IS_SANITIZED:
            self.assertLess(self.daemon.resident_bytes() - before, 20 * MIB)
        last = b""
        while not last.startswith(b'{"published":100000,'):
            last = ws.read_message()[1]

    def test_a_ping_flood_that_is_not_read_costs_nothing(self):
        ws = self.open()
        before = self.daemon.resident_bytes()
        data = frame(PING, b"p" * 125) * 1000
        ws.socket.settimeout(2.0)
        try:
            for _ in range(200):
                ws.send_raw(data)
        except TimeoutError:
            pass  # it reads no further, which is as good
        if not IS_SANITIZED:
            self.assertLess(self.daemon.resident_bytes() - before, 20 * MIB)
        self.assertEqual(get(self.daemon.url("/ping")).status, 200)


class WebsocketsPackageTest(unittest.TestCase):
    """Debian's python3-websockets as a client."""

    def setUp(self):
        try:
            import websockets
        except ImportError:
            self.skipTest("python3-websockets is not installed")
        self.websockets = websockets

    def test_a_thousand_messages_go_from_one_client_to_another(self):
        async def run(port):
            base = "ws://127.0.0.1:%d" % port
            async with self.websockets.connect(base + "/sub?topic=t") as sub, \
                    self.websockets.connect(base + "/pub?topic=t") as pub:
                for i in range(1000):
                    await pub.send("message %d é" % i)
                    await asyncio.wait_for(pub.recv(), 20)  # what is not read is waited for at the end
                got = [await asyncio.wait_for(sub.recv(), 20) for _ in range(1000)]
                pong = await sub.ping()
                await asyncio.wait_for(pong, 20)
                return got

        with Daemon("pubsub") as daemon:
            got = asyncio.run(run(daemon.port))
            self.assertEqual(got, ["message %d é" % i for i in range(1000)])

    def test_it_sees_a_clean_end_when_the_daemon_stops(self):
        async def run(daemon):
            async with self.websockets.connect("ws://127.0.0.1:%d/sub" % daemon.port) as sub:
                daemon.process.terminate()
                try:
                    await asyncio.wait_for(sub.recv(), 20)
                except self.websockets.exceptions.ConnectionClosed as closed:
                    return closed.code
            return None

        with Daemon("pubsub") as daemon:
            self.assertEqual(asyncio.run(run(daemon)), 1001)
            self.assertEqual(daemon.wait(), 0)


if __name__ == "__main__":
    unittest.main()
