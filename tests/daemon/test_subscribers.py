"""Many subscribers and slow ones: promises P6, P7, P9; tests T8, T9 and T13 for what they say of subscribers (but
for time, which test_subscribers_latency.py measures)."""

import json
import resource
import socket
import struct
import threading
import unittest

from harness import Connection, Daemon, post, wait_until
from websocket_client import CLOSE, TEXT, RawWebSocket

LONG = True
MIB = 1 << 20
LINE = b"x" * 99


def subscribe(port, query, timeout=20.0):
    """A connection whose answer's head was read."""
    connection = Connection(port, timeout)
    connection.send(b"GET /sub%s HTTP/1.1\r\nHost: h\r\n\r\n" % query.encode())
    head = connection.read_head()
    if head.status != 200:
        raise AssertionError("%r %r" % (head, connection.buffer))
    return connection


def stalled(port, query):
    """A subscriber with a small window that never reads."""
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    sock.connect(("127.0.0.1", port))
    sock.sendall(b"GET /sub%s HTTP/1.1\r\nHost: h\r\n\r\n" % query.encode())
    return sock


def wait_for_subscribers(daemon, count):
    wait_until(lambda: daemon.stats()["current_connections"] == count, 30.0, "%d subscribers" % count)


class Reader(threading.Thread):
    """Counts the lines of a subscription until it ends or stop() is called."""

    def __init__(self, port, query="?multipart=0"):
        super().__init__(daemon=True)
        self.connection = subscribe(port, query)
        self.bytes = 0
        self.lines = 0
        self.start()

    def run(self):
        try:
            while chunk := self.connection.read_chunk():
                self.bytes += len(chunk)
                self.lines += chunk.count(b"\n")
        except (OSError, EOFError, ValueError):
            pass


class ManySubscribersTest(unittest.TestCase):
    def test_an_idle_subscriber_costs_at_most_16_kib(self):
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        self.addCleanup(resource.setrlimit, resource.RLIMIT_NOFILE, (soft, hard))
        count = min(3000, (hard - 200) // 4)
        for query, opener in (("?multipart=0", subscribe), ("?format=sse", subscribe), ("", None)):
            with self.subTest(query or "websocket"), Daemon("pubsub", "--max-connections=10000") as daemon:
                before = daemon.resident_bytes()
                clients = [opener(daemon.port, query) if opener else RawWebSocket(daemon.port) for _ in range(count)]
                wait_for_subscribers(daemon, count)
                each = (daemon.resident_bytes() - before) / count
                self.assertLess(each, 16 * 1024)
                # All hear the next message.
                self.assertEqual(post(daemon.url("/pub"), b"hello").text, "Published 1 messages to %d clients.\n" % count)
                for client in clients:
                    if opener is None:
                        self.assertEqual(client.read_message(), (TEXT, b"hello"))
                    else:
                        client.read_until(b"hello")
                    client.close()
                wait_for_subscribers(daemon, 0)


class SlowSubscribersTest(unittest.TestCase):
    def publish_lines(self, daemon, mib, readers):
        """Publishes so many MiB, never more than two ahead of the readers: they are Python, too."""
        count = MIB // 100
        body = b"\n".join([LINE] * count)
        for _ in range(mib):
            self.assertEqual(post(daemon.url("/pub"), body).status, 200)
            self.published = getattr(self, "published", 0) + count
            for reader in readers:
                wait_until(lambda r=reader: r.lines > self.published - 2 * count, 30.0, "a reader that keeps up")
        return mib * count

    def test_a_hundred_stalled_ones_change_nothing_for_the_others(self):
        with Daemon("pubsub", "--max-pending=8MiB") as daemon:
            readers = [Reader(daemon.port) for _ in range(3)]
            before = daemon.resident_bytes()
            clients = [stalled(daemon.port, "?multipart=0") for _ in range(100)]
            wait_for_subscribers(daemon, 103)
            count = self.publish_lines(daemon, 40, readers)
            for reader in readers:
                wait_until(lambda r=reader: r.lines > count, 60.0, "all messages at a reader")
            wait_until(lambda: daemon.stats()["kicked_clients"] == 100, 20.0, "100 kicks")
            # What is behind is held once: the ring, its blocks, and 16 KiB a connection.
            self.assertLess(daemon.resident_bytes() - before, 8 * MIB + 6 * MIB + 103 * 16 * 1024)
            self.assertEqual(daemon.stats()["current_connections"], 3)
            self.assertEqual(daemon.stats()["kicked_by_reason"]["too_slow"], 100)
            for client in clients:
                client.close()

    def test_one_that_reads_a_kib_a_second_beside_20_mib_a_second(self):
        for policy in ("kick", "skip"):
            with self.subTest(policy), Daemon("pubsub", "--max-pending=4MiB") as daemon:
                self.published = 0
                reader = Reader(daemon.port)
                slow = stalled(daemon.port, "?multipart=0&slow=" + policy)
                wait_for_subscribers(daemon, 2)
                before = daemon.resident_bytes()
                total = 0
                for _ in range(4):
                    total += self.publish_lines(daemon, 10, [reader])
                    slow.recv(1024)
                wait_until(lambda r=reader: r.lines > total, 60.0, "all messages at the reader")
                self.assertLess(daemon.resident_bytes() - before, 12 * MIB)
                said = daemon.stats()
                self.assertEqual(said["kicked_clients"], 1 if policy == "kick" else 0)
                self.assertEqual(said["current_connections"], 1 if policy == "kick" else 2)
                slow.close()

    def test_who_skips_is_told_how_many_it_missed(self):
        with Daemon("pubsub", "--max-pending=1MiB") as daemon:
            slow = stalled(daemon.port, "?topic=t&format=lines&offsets=1&slow=skip")
            wait_for_subscribers(daemon, 1)
            published = 0
            while daemon.stats()["skipped_messages"] == 0:
                post(daemon.url("/pub?topic=t"), b"\n".join(b"%07d" % (published + i) for i in range(20000)))
                published += 20000
                self.assertLess(published, 3_000_000)
            post(daemon.url("/pub?topic=t"), b"the end")
            slow.settimeout(20)
            data = b""
            while b"the end\n" not in data[-64:]:
                data += slow.recv(1 << 20)
            slow.close()
        body = b""
        data = data[data.index(b"\r\n\r\n") + 4:]
        while data:
            size, _, data = data.partition(b"\r\n")
            body += data[:int(size, 16)]
            data = data[int(size, 16) + 2:]
        expected = 0
        gaps = 0
        for line in body.split(b"\n")[:-1]:
            position, _, message = line.partition(b" ")
            if position == b"-":
                gap = json.loads(message)["_gap_"]
                self.assertEqual(expected + gap["missed"], gap["next"])
                expected = gap["next"]
                gaps += 1
                continue
            self.assertEqual(int(position), expected)
            if message != b"the end":
                self.assertEqual(int(message), expected)
            expected += 1
        self.assertEqual(expected, published + 1)
        self.assertGreaterEqual(gaps, 1)

    def test_a_kicked_one_is_told_in_its_own_framing(self):
        notice = rb"ERROR_TOO_SLOW. kicked for having \d+ pending bytes"
        for query, pattern in (("?multipart=0", rb"x\n" + notice + rb"\n$"),
                               ("?format=sse", rb"\n\nevent: kicked\ndata: " + notice + rb"\n\n$"),
                               ("?format=framed", rb"\n\d+\n" + notice + rb"\n$"),
                               ("", rb"\r\n\r\n" + notice + rb"\r\n--xXPubSubXx\r\n$")):
            with self.subTest(query), Daemon("pubsub", "--max-pending=1MiB") as daemon:
                client = subscribe(daemon.port, query)
                body = b"\n".join([LINE] * 5000)
                wait_until(lambda: post(daemon.url("/pub"), body) and daemon.stats()["kicked_clients"] == 1, 30.0, "a kick")
                data = b""
                while chunk := client.read_chunk():
                    data = data[-1000:] + chunk
                self.assertRegex(data, pattern)
                client.close()

    def test_a_kicked_websocket_is_closed_with_1008_and_the_reason(self):
        with Daemon("pubsub", "--max-pending=1MiB") as daemon:
            ws = RawWebSocket(daemon.port, timeout=20.0)
            body = b"\n".join([LINE] * 5000)
            wait_until(lambda: post(daemon.url("/pub"), body) and daemon.stats()["kicked_clients"] == 1, 30.0, "a kick")
            while True:
                opcode, payload = ws.read_message()
                if opcode == CLOSE:
                    break
                self.assertEqual(payload, LINE)
            self.assertEqual(struct.unpack("!H", payload[:2])[0], 1008)
            self.assertRegex(payload[2:], rb"ERROR_TOO_SLOW. kicked for having \d+ pending bytes")
            ws.close()


class DrainTest(unittest.TestCase):
    """T13: SIGTERM at any moment ends each stream well, with everything that was answered before."""

    def test_every_stream_ends_well_and_whole(self):
        for round_number in range(4):
            daemon = Daemon("pubsub", "--drain-timeout=20s")
            self.addCleanup(daemon.kill)
            streams = [subscribe(daemon.port, q) for q in ("?multipart=0", "", "?format=sse", "?format=framed")]
            ws = RawWebSocket(daemon.port, timeout=20.0)
            wait_for_subscribers(daemon, 5)
            acknowledged = []

            def publish():
                with Connection(daemon.port) as connection:
                    number = 0
                    try:
                        while True:
                            answer = connection.request("POST", "/pub", b"m%07d" % number)
                            if answer.status != 200:
                                return
                            acknowledged.append(number)
                            number += 1
                    except (OSError, EOFError):
                        return

            thread = threading.Thread(target=publish)
            thread.start()
            wait_until(lambda: len(acknowledged) > 80 * round_number + 10, 20.0, "some messages")
            daemon.process.terminate()
            bodies = []
            for stream in streams:
                data = b""
                while chunk := stream.read_chunk():  # ends by the last chunk, or fails
                    data += chunk
                bodies.append(data)
                stream.close()  # or the daemon waits two seconds for that
            messages = []
            while True:
                opcode, payload = ws.read_message()
                if opcode == CLOSE:
                    self.assertEqual(struct.unpack("!H", payload[:2])[0], 1001)
                    ws.send(CLOSE, payload)
                    break
                messages.append(payload)
            ws.close()
            thread.join()
            self.assertEqual(daemon.wait(), 0)
            bodies.append(b"\n".join(messages))
            for data in bodies:
                for number in (0, acknowledged[-1]):
                    self.assertIn(b"m%07d" % number, data)


if __name__ == "__main__":
    unittest.main()
