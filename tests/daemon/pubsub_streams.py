"""What tests of pubsub share: streams of /sub as they are framed, and a daemon of their own."""

import unittest

from harness import Connection, Daemon, get, post

LINES_HEAD = b"\r\n"
PARTS_HEAD = b"--xXPubSubXx\r\n"
SSE_HEAD = b"retry: 1000\n\n"


def part(message):
    return b"content-type: */*\r\ncontent-length: %d\r\n\r\n%s\r\n--xXPubSubXx\r\n" % (
        len(message), message)


class Subscriber(Connection):
    """A subscription whose head and preamble (`first`, if there is one) were read and checked."""

    def __init__(self, port, query="?multipart=0", first=LINES_HEAD, timeout=20.0, headers=()):
        super().__init__(port, timeout)
        lines = ["GET /sub%s HTTP/1.1" % query, "Host: h"] + ["%s: %s" % pair for pair in headers]
        self.send("\r\n".join(lines).encode() + b"\r\n\r\n")
        self.head = self.read_head()
        if self.head.status != 200:
            raise AssertionError("%r %r" % (self.head, self.buffer))
        self.unread = b""  # of a chunk
        preamble = self.read_bytes(len(first))
        if preamble != first:
            raise AssertionError("the stream begins with %r" % preamble)

    def read_bytes(self, size):
        """`size` bytes of the stream, over as many chunks as they came in."""
        data = self.unread
        while len(data) < size:
            chunk = self.read_chunk()
            if not chunk:
                raise EOFError("the stream ended after %r" % data[-200:])
            data += chunk
        data, self.unread = data[:size], data[size:]
        return data

    def expect(self, test, data):
        """The next bytes of the stream are these."""
        test.assertEqual(self.read_bytes(len(data)), data)

    def read_to_end(self):
        chunks = [self.unread]
        self.unread = b""
        while True:
            chunk = self.read_chunk()
            if not chunk:
                return b"".join(chunks)
            chunks.append(chunk)


class PubsubTest(unittest.TestCase):
    OPTIONS = ()

    def setUp(self):
        self.daemon = Daemon("pubsub", *self.OPTIONS)
        self.addCleanup(self.daemon.kill)
        self.port = self.daemon.port

    def tearDown(self):
        self.daemon.stop()

    def publish(self, body, query=""):
        answer = post(self.daemon.url("/pub" + query), body)
        self.assertEqual(answer.status, 200, answer.body)
        return answer.text

    def past(self, query):
        """The whole answer of a replay that ends, and its head."""
        answer = get(self.daemon.url("/sub" + query))
        self.assertEqual(answer.status, 200, answer.body)
        return answer

    def refused(self, path, status, *words, headers=None):
        answer = get(self.daemon.url(path), headers)
        self.assertEqual(answer.status, status, (path, answer.body))
        for word in words:
            self.assertIn(word, answer.text)

    def stats(self):
        return self.daemon.stats()
