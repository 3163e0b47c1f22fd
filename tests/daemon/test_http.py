"""The HTTP server under real daemons: limits and deadlines (promises P7 and P8), back pressure, drain,
tokens, origins, unix sockets, and the endpoints all daemons share. (Hostile input: test_hostile.py.)"""

import gzip
import json
import os
import re
import resource
import select
import socket
import tempfile
import time
import unittest

from harness import Connection, Daemon, get, post, raw_request, request, wait_until
from servers import each_server

# run.py runs this file against the sanitized programs too.
SANITIZED = True
WAITS = True
ASAN = "asan" in os.environ.get("RIVULET_BIN_DIR", "")
GET = b"GET %s HTTP/1.1\r\nHost: h\r\n\r\n"


class Protocol(unittest.TestCase):
    @each_server
    def test_pipelined_requests_are_answered_in_order(self, name, path):
        with Daemon(name) as daemon:
            answers = raw_request(daemon.port, GET % b"/ping" + GET % b"/nope" + GET % b"/ping", count=3)
            self.assertEqual(answers.statuses, [200, 404, 200])

    def test_expect_continue_is_answered_before_the_body(self):
        with Daemon("simplequeue") as queue, Connection(queue.port) as connection:
            connection.send(b"POST /put HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n"
                            b"Expect: 100-continue\r\n\r\n")
            self.assertEqual(connection.read_response().status, 100)
            connection.send(b"hello")
            self.assertEqual(connection.read_response().status, 200)
            self.assertEqual(connection.request("GET", "/get").body, b"hello")

    def test_chunked_bodies_are_put_whole(self):
        with Daemon("simplequeue") as queue, Connection(queue.port) as connection:
            connection.send(b"POST /put HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"
                            b"3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n")
            self.assertEqual(connection.read_response().status, 200)
            self.assertEqual(connection.request("GET", "/get").body, b"abcde")

    def test_a_compressed_body_is_refused_and_not_kept_as_if_it_were_a_message(self):
        with Daemon("simplequeue") as queue:
            body = gzip.compress(b"hello")
            refused = post(queue.url("/put"), body, {"Content-Encoding": "gzip"})
            self.assertEqual((refused.status, refused.text.count("\n")), (415, 1))
            self.assertEqual(refused.header("Accept-Encoding"), "identity")
            self.assertEqual(post(queue.url("/put"), b"plain", {"Content-Encoding": "identity"}).status, 200)
            self.assertEqual(get(queue.url("/get")).body, b"plain")
            self.assertEqual(get(queue.url("/get")).body, b"")

    @each_server
    def test_methods(self, name, path):
        with Daemon(name) as daemon:
            refused = request("DELETE", daemon.url("/stats"))
            self.assertEqual(refused.status, 405)
            self.assertEqual(refused.header("Allow"), "GET, HEAD, OPTIONS")
            options = request("OPTIONS", daemon.url("/stats"))
            self.assertEqual((options.status, options.header("Allow")), (204, "GET, HEAD, OPTIONS"))
            with Connection(daemon.port) as connection:
                connection.send(b"OPTIONS * HTTP/1.1\r\nHost: h\r\n\r\n")
                self.assertEqual(connection.read_response().status, 204)
                head = connection.request("HEAD", "/stats")
                self.assertGreater(int(head.header("Content-Length")), 10)
                self.assertEqual(connection.request("GET", "/ping").body, b"OK")

    @each_server
    def test_errors_are_one_line_of_text_or_json(self, name, path):
        with Daemon(name) as daemon:
            self.assertEqual(get(daemon.url("/nope")).body, b"no such path\n")
            answer = get(daemon.url("/nope"), {"Accept": "application/json"})
            self.assertEqual(answer.json(), {"status": 404, "error": "no such path"})

    @each_server
    def test_http_10_closes_unless_kept_alive(self, name, path):
        with Daemon(name) as daemon:
            self.assertTrue(raw_request(daemon.port, b"GET /ping HTTP/1.0\r\n\r\n", count=2).closed)
            with Connection(daemon.port) as connection:
                for _ in range(2):
                    connection.send(b"GET /ping HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
                    answer = connection.read_response()
                    self.assertEqual(answer.header("Connection"), "keep-alive")

    def test_what_is_sent_before_a_half_close_is_answered(self):
        with Daemon("simplequeue") as queue:
            self.assertEqual(raw_request(queue.port, GET % b"/ping", half_close=True)[0].body, b"OK")


class CommonEndpoints(unittest.TestCase):
    @each_server
    def test_the_metrics_are_in_prometheus_text_format(self, name, path):
        with Daemon(name) as daemon:
            get(daemon.url(path))
            answer = get(daemon.url("/metrics"))
            self.assertTrue(answer.header("Content-Type").startswith("text/plain; version=0.0.4"))
            types = dict(re.findall(r"^# TYPE (\S+) (\S+)$", answer.text, re.M))
            for line in answer.text.splitlines():
                if line.startswith("#"):
                    continue
                match = re.fullmatch(r'([a-zA-Z_:][a-zA-Z0-9_:]*)(\{[^}]*\})? (\S+)', line)
                self.assertIsNotNone(match, line)
                float(match.group(3).replace("+Inf", "inf"))
                base = re.sub(r"_(bucket|sum|count)$", "", match.group(1))
                kind = types.get(match.group(1)) or types.get(base)
                self.assertIsNotNone(kind, line)
                if kind == "counter":
                    self.assertTrue(match.group(1).endswith("_total"), line)
            self.assertIn('rivulet_http_request_duration_seconds_count{endpoint="%s"} 1' % path,
                          answer.text)

    @each_server
    def test_the_page_is_self_contained_and_refuses_foreign_hosts(self, name, path):
        with Daemon(name) as daemon:
            page = get(daemon.url("/"))
            self.assertEqual(page.status, 200)
            self.assertIn("default-src 'none'", page.header("Content-Security-Policy"))
            self.assertNotIn("http://", page.text)
            self.assertNotIn("https://", page.text)
            for part in re.findall(r'(?:src|href)="(/page[^"]*)"', page.text):
                self.assertEqual(get(daemon.url(part)).status, 200, part)
            self.assertEqual(get(daemon.url("/"), {"Host": "evil.test"}).status, 400)
            self.assertEqual(get(daemon.url("/"), {"Host": "localhost:1"}).status, 200)

    @each_server
    def test_stats_json_parses(self, name, path):
        with Daemon(name) as daemon:
            self.assertIsInstance(daemon.stats(), dict)


class Access(unittest.TestCase):
    @each_server
    def test_a_token_is_asked_for_but_by_ping(self, name, path):
        with tempfile.NamedTemporaryFile("w") as file:
            file.write("s3cret\n")
            file.flush()
            with Daemon(name, "--auth-token-file=" + file.name, "--enable-logging") as daemon:
                self.assertEqual(get(daemon.url("/ping")).status, 200)
                for target, headers in ((path, {}), ("/nope", {}), (path + "?token=wrong", {}),
                                        (path, {"Authorization": "Bearer s3cre"}),
                                        (path, {"Authorization": "Bearer s3crets"}),
                                        (path, {"Authorization": "Basic s3cret"})):
                    refused = get(daemon.url(target), headers)
                    self.assertEqual(refused.status, 401, (target, headers))
                    self.assertEqual(refused.header("WWW-Authenticate"), "Bearer")
                self.assertEqual(get(daemon.url(path + "?token=s3cret")).status, 200)
                self.assertEqual(get(daemon.url(path), {"Authorization": "Bearer s3cret"}).status, 200)
                self.assertNotIn("s3cret", daemon.stderr())
            os.chmod(file.name, 0o644)
            daemon = Daemon(name, "--auth-token-file=" + file.name, "--port=0", listens=False)
            self.assertEqual(daemon.wait(), 1)
            self.assertIn("readable by others", daemon.stderr())

    @each_server
    def test_a_wider_address_needs_a_token_or_insecure(self, name, path):
        daemon = Daemon(name, "--address=0.0.0.0", "--port=0", listens=False)
        self.assertEqual(daemon.wait(), 2)
        self.assertIn("--insecure", daemon.stderr())
        with Daemon(name, "--address=0.0.0.0", "--insecure") as daemon:
            self.assertEqual(get(daemon.url("/ping")).status, 200)

    @each_server
    def test_origins(self, name, path):
        with Daemon(name, "--allow-origin=https://a.test") as daemon:
            mine = get(daemon.url(path), {"Origin": "https://a.test"})
            self.assertEqual(mine.header("Access-Control-Allow-Origin"), "https://a.test")
            other = get(daemon.url(path), {"Origin": "https://b.test"})
            self.assertIsNone(other.header("Access-Control-Allow-Origin"))
        with Daemon(name) as daemon:
            answer = get(daemon.url(path), {"Origin": "https://a.test"})
            self.assertIsNone(answer.header("Access-Control-Allow-Origin"))

    @each_server
    def test_a_unix_socket_serves_and_goes_with_the_daemon(self, name, path):
        with tempfile.TemporaryDirectory() as folder:
            where = os.path.join(folder, "socket")
            with Daemon(name, "--address=unix:" + where) as daemon:
                self.assertEqual(daemon.where, "unix:" + where)
                with Connection(where) as connection:
                    self.assertEqual(connection.request("GET", "/ping").body, b"OK")
                second = Daemon(name, "--address=unix:" + where, listens=False)
                self.assertEqual(second.wait(), 1)
                self.assertIn("another process listens there", second.stderr())
                daemon.kill()
            # Left behind by a crash, it does not stop the next start.
            self.assertTrue(os.path.exists(where))
            with Daemon(name, "--address=unix:" + where):
                pass
            self.assertFalse(os.path.exists(where))


class Limits(unittest.TestCase):
    @each_server
    def test_a_trickled_head_and_a_trickled_body_end_in_time(self, name, path):
        """Slowloris, with the limit cut from 10 s to 1 s: 100 sockets at a byte each 50 ms."""
        with Daemon(name, "--header-timeout=1s") as daemon:
            start = time.monotonic()
            heads = [Connection(daemon.port) for _ in range(100)]
            body = Connection(daemon.port)
            target = b"/put" if name == "simplequeue" else b"/pub"
            body.send(b"POST " + target + b" HTTP/1.1\r\nHost: h\r\nContent-Length: 100000\r\n\r\n")
            pending = {c.socket: c for c in heads + [body]}
            answers = []
            while pending and time.monotonic() - start < 9:  # before the limit as it comes
                ready, _, _ = select.select(list(pending), [], [], 0.05)
                for s in ready:
                    data = s.recv(4096) if s in pending else b""
                    answers.append(data[:12])
                    del pending[s]
                for s in pending:
                    try:
                        s.send(b"x")
                    except OSError:
                        pass
            self.assertEqual(pending, {})
            self.assertEqual(set(answers), {b"HTTP/1.1 408"})
            self.assertEqual(get(daemon.url("/ping")).body, b"OK")
            for connection in heads + [body]:
                connection.close()

    def test_500_sockets_at_a_header_byte_a_second_are_gone_by_11_seconds(self):
        """T9, with the limits as they come. A machine that stood still meanwhile is asked again."""
        self.assertTrue(any(self.slow_heads() < 11 for _ in range(3)))

    def slow_heads(self):
        """The time until all are told 408."""
        with Daemon("simplequeue") as queue:
            start = time.monotonic()
            held = {c.socket: c for c in [Connection(queue.port) for _ in range(500)]}
            for s in held:
                s.send(b"G")
            next_byte = time.monotonic() + 1
            while held and time.monotonic() - start < 30:
                ready, _, _ = select.select(list(held), [], [], max(0, next_byte - time.monotonic()))
                for s in ready:
                    self.assertTrue(s.recv(4096).startswith(b"HTTP/1.1 408 "))
                    held.pop(s).close()
                if time.monotonic() >= next_byte:
                    next_byte += 1
                    for s in held:
                        s.send(b"E")
            self.assertEqual(len(held), 0)
            return time.monotonic() - start

    @each_server
    def test_an_idle_connection_is_closed(self, name, path):
        with Daemon(name, "--idle-timeout=500ms") as daemon, Connection(daemon.port) as connection:
            self.assertEqual(connection.request("GET", "/ping").status, 200)
            self.assertTrue(connection.closed(20))

    def test_unread_answers_stop_the_reading_of_requests(self):
        """200 MiB of pipelined requests by a client that reads nothing cost less than 2 MiB."""
        with Daemon("simplequeue") as queue:
            post(queue.url("/put"), b"x")
            get(queue.url("/stats"))
            before = queue.resident_bytes()
            batch = (GET % b"/stats") * 20000
            with Connection(queue.port) as connection:
                connection.socket.setblocking(False)
                sent = 0
                quiet = 0
                while sent < 200 << 20 and quiet < 20:
                    _, writable, _ = select.select([], [connection.socket], [], 0.05)
                    if not writable:
                        quiet += 1
                        continue
                    quiet = 0
                    sent += connection.socket.send(batch)
                self.assertLess(sent, 200 << 20, "the server went on reading")
                if not ASAN:
                    self.assertLess(queue.resident_bytes() - before, 2 << 20)
                self.assertEqual(get(queue.url("/ping")).body, b"OK")

    def test_a_large_answer_goes_on_when_the_client_reads_on(self):
        body = os.urandom(1 << 20) * 8
        with Daemon("simplequeue") as queue, Connection(queue.port) as connection:
            post(queue.url("/put"), body)
            post(queue.url("/put"), b"next")
            connection.send((GET % b"/get") * 2)
            # Others are served while this answer waits to be read.
            self.assertEqual(get(queue.url("/stats")).status, 200)
            self.assertEqual(connection.read_response().body, body)
            self.assertEqual(connection.read_response().body, b"next")

    def test_a_body_over_the_limit_is_refused_before_it_is_sent(self):
        with Daemon("simplequeue", "--max-body-size=1KiB") as queue:
            self.assertEqual(post(queue.url("/put"), b"x" * 1024).status, 200)
            over = raw_request(queue.port, b"POST /put HTTP/1.1\r\nHost: h\r\n"
                               b"Content-Length: 1025\r\nExpect: 100-continue\r\n\r\n", count=2)
            self.assertEqual((over.statuses, over.closed), ([413], True))
            self.assertIn("--max-body-size=1024", over[0].text)

    @each_server
    def test_too_many_connections_are_told_so(self, name, path):
        with Daemon(name, "--max-connections=3") as daemon:
            held = [Connection(daemon.port) for _ in range(3)]
            for connection in held:
                self.assertEqual(connection.request("GET", "/ping").status, 200)
            refused = raw_request(daemon.port, b"", count=2)  # the second is the close
            self.assertEqual((refused.statuses, refused.closed), ([503], True))
            self.assertIsNotNone(refused[0].header("Retry-After"))
            held.pop().close()
            wait_until(lambda: get(daemon.url("/ping")).status == 200, what="a free place")
            for connection in held:
                connection.close()

    def test_without_descriptors_accepting_pauses_and_recovers(self):
        if ASAN:
            self.skipTest("UBSan opens a pipe to check an address, and takes its failure for a fault")
        with Daemon("simplequeue", "--max-connections=10000") as queue:
            resource.prlimit(queue.pid, resource.RLIMIT_NOFILE, (40, 40))
            held = [Connection(queue.port) for _ in range(60)]
            wait_until(lambda: int(re.search(
                r"rivulet_http_accept_failures_total (\d+)",
                held[0].request("GET", "/metrics").text).group(1)) > 0, what="a failed accept")
            before = queue.cpu_seconds()
            wait_until(lambda: int(re.search(
                r"rivulet_http_accept_failures_total (\d+)",
                held[0].request("GET", "/metrics").text).group(1)) > 3, what="retries")
            self.assertLess(queue.cpu_seconds() - before, 0.3, "it spins")
            for connection in held[1:]:
                connection.close()
            self.assertEqual(get(queue.url("/ping")).body, b"OK")
            held[0].close()

    def test_ten_thousand_idle_connections_cost_8_kib_each(self):
        if ASAN:
            self.skipTest("measured on the release build")
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        if hard < 10_500:
            self.skipTest("the hard limit of descriptors is %d" % hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        try:
            with Daemon("simplequeue") as queue:
                get(queue.url("/ping"))
                before = queue.resident_bytes()
                held = []
                for i in range(10_000):
                    held.append(socket.create_connection(("127.0.0.1", queue.port)))
                    if i % 100 == 0:  # some have been used
                        held[-1].sendall(GET % b"/ping")
                self.assertEqual(get(queue.url("/ping")).body, b"OK")
                self.assertLess((queue.resident_bytes() - before) / 10_000, 8192)
                for s in held:
                    s.close()
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


class DrainAndSignals(unittest.TestCase):
    @each_server
    def test_a_request_that_is_under_way_is_finished(self, name, path):
        daemon = Daemon(name)
        target = b"/put" if name == "simplequeue" else b"/pub"
        idle = Connection(daemon.port)
        busy = Connection(daemon.port)
        busy.send(b"POST " + target + b" HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhel")
        self.assertEqual(idle.request("GET", "/ping").status, 200)
        daemon.signal(15)
        self.assertTrue(idle.closed(20))  # the drain has begun
        with self.assertRaises(OSError):
            Connection(daemon.port)
        busy.send(b"lo")
        answer = busy.read_response()
        self.assertEqual((answer.status, answer.header("Connection")), (200, "close"))
        busy.close()
        self.assertEqual(daemon.wait(), 0)

    @each_server
    def test_the_drain_ends_at_its_deadline_with_0_and_a_second_signal_with_1(self, name, path):
        for second, code in ((False, 0), (True, 1)):
            daemon = Daemon(name, "--drain-timeout=%s" % ("30s" if second else "300ms"))
            with Connection(daemon.port) as idle, Connection(daemon.port) as stuck:
                self.assertEqual(idle.request("GET", "/ping").status, 200)
                stuck.send(b"GET /pi")
                self.assertEqual(get(daemon.url("/ping")).status, 200)
                daemon.signal(15)
                self.assertTrue(idle.closed(20))
                if second:
                    daemon.signal(15)
                self.assertEqual(daemon.wait(), code)

    @each_server
    def test_the_log_has_a_line_a_request_without_query(self, name, path):
        with Daemon(name, "--enable-logging", "--log-format=json") as daemon:
            get(daemon.url(path + "?data=private"))
            wait_until(lambda: path in daemon.stderr(), what="the log line")
            line = [l for l in daemon.stderr().splitlines() if path in l][0]
            record = json.loads(line)
            self.assertRegex(record["message"], r"^127\.0\.0\.1:\d+ GET %s\?\.\.\. \d+$" % path)
            self.assertNotIn("private", daemon.stderr())


if __name__ == "__main__":
    unittest.main()
