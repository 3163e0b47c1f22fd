"""Real processes for the daemon tests, on free ports, ended by pid.

    with Daemon("simplequeue", "--max-depth=3") as queue:
        self.assertEqual(get(queue.url("/put?data=a")).status, 200)
        answers = raw_request(queue.port, b"GET /get HTTP/1.1\\r\\nHost: h\\r\\n\\r\\n")
        self.assertEqual(answers[0].body, b"a")

Leaving the block stops the daemon by SIGTERM and fails unless it exits 0; the error shows what it
wrote to standard error. The programs are those in RIVULET_BIN_DIR (default: build/bin).
"""

import atexit
import collections
import http.client
import json
import os
import re
import signal
import socket
import subprocess
import tempfile
import threading
import time
import unittest
import urllib.parse

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BIN_DIR = os.path.abspath(os.environ.get("RIVULET_BIN_DIR", os.path.join(ROOT, "build", "bin")))
# Sanitized programs keep what was freed for a while: their memory says nothing.
IS_SANITIZED = "asan" in BIN_DIR
SERVERS = ("pubsub", "simplequeue", "collector", "bandit")
PROGRAMS = ("pubsub", "simplequeue", "ps_to_http", "ps_to_file", "file_to_http", "queuereader",
            "collector", "bandit", "rivulet-journal", "rivulet-graph")
# Sanitized programs on a busy machine need longer to start; no test waits for it when all is well.
START_TIMEOUT = 30.0

_running = {}  # pid -> Popen of every process that is not reaped yet


@atexit.register
def _end_leftovers():
    for process in list(_running.values()):
        if process.poll() is None:
            process.kill()
            process.wait()


def program_path(name):
    """The path of a program, or SkipTest where it is not built."""
    path = os.path.join(BIN_DIR, name)
    if not os.path.exists(path):
        raise unittest.SkipTest("%s is not built" % path)
    return path


def wait_until(predicate, timeout=10.0, what="the condition"):
    """Polls until predicate() is true and returns its value; AssertionError after `timeout` s."""
    deadline = time.monotonic() + timeout
    pause = 0.001
    while True:
        value = predicate()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError("%s did not hold within %g s" % (what, timeout))
        time.sleep(pause)
        pause = min(pause * 1.5, 0.05)


def run_program(name, *args, input=None, timeout=60.0, env=None):
    """Runs a program to its end: .returncode, .stdout, .stderr as text."""
    return subprocess.run(
        [program_path(name), *args], input=input, capture_output=True, text=True,
        timeout=timeout, env={**os.environ, **(env or {})}, errors="backslashreplace",
        stdin=subprocess.DEVNULL if input is None else None)


class Daemon:
    """A started program. Servers get --port=0 (unless --port or a unix address is among the
    arguments) and are awaited until they print `listening on WHERE`; others are not awaited.

    .port, .where (what was printed), .url(path), .pid, .process (Popen)
    .stdout() and .stderr(): text so far
    """

    def __init__(self, name, *args, env=None, listens=None, stdin=subprocess.DEVNULL, cwd=None):
        self.name = name
        self.where = None
        self.port = None
        self.address = None
        listens = name in SERVERS if listens is None else listens
        args = [str(a) for a in args]
        if listens and name in SERVERS and not any(
                a == "--port" or a.startswith(("--port=", "--address=unix:", "--config"))
                for a in args):
            args.insert(0, "--port=0")
        self.command = [program_path(name), *args]
        self._stderr = tempfile.TemporaryFile()
        self._lines = []
        self._changed = threading.Condition()
        self._ended = False
        self.process = subprocess.Popen(
            self.command, stdin=stdin, stdout=subprocess.PIPE, stderr=self._stderr, cwd=cwd,
            env={**os.environ, **(env or {})})
        self.pid = self.process.pid
        _running[self.pid] = self.process
        self._reader = threading.Thread(target=self._read_stdout, daemon=True)
        self._reader.start()
        if listens:
            try:
                self._await_listening()
            except BaseException:
                self.kill()
                raise

    def _read_stdout(self):
        for line in self.process.stdout:
            with self._changed:
                self._lines.append(line.decode("utf-8", "backslashreplace"))
                self._changed.notify_all()
        with self._changed:
            self._ended = True
            self._changed.notify_all()

    def wait_for_line(self, pattern, timeout=START_TIMEOUT):
        """The match of the first line of standard output that holds `pattern`."""
        seen = 0
        deadline = time.monotonic() + timeout
        with self._changed:
            while True:
                for line in self._lines[seen:]:
                    match = re.search(pattern, line)
                    if match:
                        return match
                seen = len(self._lines)
                left = deadline - time.monotonic()
                if self._ended or left <= 0:
                    break
                self._changed.wait(left)
        raise AssertionError("%s printed no line matching %r\nexit status: %s\nstdout: %s\nstderr: %s"
                             % (" ".join(self.command), pattern, self.process.poll(),
                                self.stdout(), self.stderr()))

    def _await_listening(self):
        self.where = self.wait_for_line(r"^listening on (.*)$").group(1)
        if not self.where.startswith("unix:"):
            address, port = self.where.rsplit(":", 1)
            self.port = int(port)
            self.address = address.strip("[]")
            if self.address in ("0.0.0.0", "::"):
                self.address = "127.0.0.1"

    def url(self, path=""):
        return "http://%s:%d%s" % (self.address, self.port, path)

    def stdout(self):
        with self._changed:
            return "".join(self._lines)

    def stderr(self):
        size = os.fstat(self._stderr.fileno()).st_size
        return os.pread(self._stderr.fileno(), size, 0).decode("utf-8", "backslashreplace")

    def running(self):
        return self.process.poll() is None

    def signal(self, number):
        self.process.send_signal(number)

    def wait(self, timeout=START_TIMEOUT):
        """Waits for the end and returns the exit status (negative: the signal's number)."""
        try:
            code = self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            raise AssertionError("%s still ran after %g s\nstderr: %s"
                                 % (" ".join(self.command), timeout, self.stderr())) from None
        self._reader.join(timeout=5)
        self.process.stdout.close()
        _running.pop(self.pid, None)
        return code

    def stop(self, expected=0, timeout=START_TIMEOUT):
        """SIGTERM, waits, and fails unless the exit status is `expected` (None: any)."""
        if self.pid not in _running:
            return self.process.returncode
        if self.running():
            self.signal(signal.SIGTERM)
        try:
            code = self.wait(timeout)
        except AssertionError:
            self.kill()
            raise
        if expected is not None and code != expected:
            raise AssertionError("%s exited with %d, not %d\nstderr: %s"
                                 % (" ".join(self.command), code, expected, self.stderr()))
        return code

    def kill(self):
        """SIGKILL, as a crash would. Returns when it is gone."""
        if self.pid in _running:
            self.process.kill()
            self.wait()

    def __enter__(self):
        return self

    def __exit__(self, exc_type, exc, trace):
        if exc_type is None:
            self.stop()
            return
        if self.running():
            self.kill()
        text = self.stderr()
        if text:
            print("--- standard error of %s\n%s---" % (self.name, text[-8000:]), flush=True)

    def resident_bytes(self):
        """What the process holds in memory now (VmRSS)."""
        with open("/proc/%d/status" % self.pid) as status:
            for line in status:
                if line.startswith("VmRSS:"):
                    return int(line.split()[1]) * 1024
        return 0

    def cpu_seconds(self):
        """User and system time that the process took so far."""
        with open("/proc/%d/stat" % self.pid) as stat:
            fields = stat.read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class Response:
    """One answer: status, reason, headers (list of pairs as sent), body, chunks (of a chunked one)."""

    def __init__(self, status, reason, headers, body=b"", version="HTTP/1.1"):
        self.status = status
        self.reason = reason
        self.headers = headers
        self.body = body
        self.version = version
        self.chunks = []

    def header(self, name, default=None):
        for key, value in self.headers:
            if key.lower() == name.lower():
                return value
        return default

    @property
    def text(self):
        return self.body.decode("utf-8", "backslashreplace")

    def json(self):
        return json.loads(self.body)

    def __repr__(self):
        return "<%s %s %r>" % (self.status, self.reason, self.body[:200])


class Connection:
    """A raw TCP (or, with a path, unix) connection. Reads raise TimeoutError after `timeout` s and
    EOFError when the peer closed."""

    def __init__(self, where, timeout=10.0, host="127.0.0.1"):
        if isinstance(where, str):
            self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            self.socket.settimeout(timeout)
            self.socket.connect(where)
        else:
            self.socket = socket.create_connection((host, where), timeout)
            self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.buffer = b""

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        self.close()

    def close(self):
        self.socket.close()

    def send(self, data):
        self.socket.sendall(data)

    def half_close(self):
        self.socket.shutdown(socket.SHUT_WR)

    def _fill(self):
        try:
            data = self.socket.recv(65536)
        except ConnectionResetError:
            data = b""
        if not data:
            raise EOFError("closed by the peer with %r unread" % self.buffer[:200])
        self.buffer += data

    def read_exactly(self, size):
        while len(self.buffer) < size:
            self._fill()
        data, self.buffer = self.buffer[:size], self.buffer[size:]
        return data

    def read_until(self, end):
        """The bytes up to and with `end`."""
        while end not in self.buffer:
            self._fill()
        size = self.buffer.index(end) + len(end)
        data, self.buffer = self.buffer[:size], self.buffer[size:]
        return data

    def read_to_close(self):
        try:
            while True:
                self._fill()
        except EOFError:
            data, self.buffer = self.buffer, b""
            return data

    def read_head(self):
        """The status line and headers of the next answer, its body left unread."""
        lines = self.read_until(b"\r\n\r\n")[:-4].decode("latin-1").split("\r\n")
        version, status, reason = (lines[0].split(" ", 2) + ["", ""])[:3]
        headers = []
        for line in lines[1:]:
            key, _, value = line.partition(":")
            headers.append((key, value.strip()))
        return Response(int(status), reason, headers, version=version)

    def read_chunk(self):
        """The next chunk of a chunked body; b"" is the last, its trailer read."""
        size = int(self.read_until(b"\r\n").split(b";")[0], 16)
        if size == 0:
            while self.read_until(b"\r\n") != b"\r\n":
                pass
            return b""
        data = self.read_exactly(size)
        if self.read_exactly(2) != b"\r\n":
            raise AssertionError("a chunk without its end")
        return data

    def read_response(self, head=False):
        """One whole answer; 100 Continue is an answer of its own. `head`: it answers a HEAD."""
        response = self.read_head()
        if head or response.status in (204, 304) or response.status < 200:
            return response
        length = response.header("Content-Length")
        if (response.header("Transfer-Encoding") or "").lower() == "chunked":
            while True:
                chunk = self.read_chunk()
                if not chunk:
                    break
                response.chunks.append(chunk)
            response.body = b"".join(response.chunks)
        elif length is not None:
            response.body = self.read_exactly(int(length))
        else:
            response.body = self.read_to_close()
        return response

    def request(self, method, target, body=None, headers=()):
        """Sends one well-formed request and reads its answer; the connection stays usable."""
        lines = ["%s %s HTTP/1.1" % (method, target), "Host: localhost"]
        lines += ["%s: %s" % pair for pair in headers]
        if body is not None:
            lines.append("Content-Length: %d" % len(body))
        self.send("\r\n".join(lines).encode() + b"\r\n\r\n" + (body or b""))
        return self.read_response(head=method == "HEAD")

    def closed(self, timeout=5.0):
        """True when the peer closes within `timeout` s without sending more."""
        self.socket.settimeout(timeout)
        try:
            return not self.buffer and self.socket.recv(1) == b""
        except ConnectionResetError:
            return True
        except (BlockingIOError, socket.timeout, TimeoutError):
            return False


class Answers(list):
    """The Responses of raw_request; .closed: the server closed the connection after them;
    .rest: bytes that were no whole response."""

    closed = False
    rest = b""

    @property
    def statuses(self):
        return [response.status for response in self]


def raw_request(where, data, count=1, timeout=10.0, head=False, half_close=False):
    """Sends `data` as it is and reads `count` answers (None: all until the server closes or is
    silent for `timeout` s). `head`: the answers are to HEAD and have no body."""
    answers = Answers()
    with Connection(where, timeout) as connection:
        try:
            connection.send(data)
            if half_close:
                connection.half_close()
        except (BrokenPipeError, ConnectionResetError):
            pass  # an early refusal; what it says is read below
        try:
            while count is None or len(answers) < count:
                answers.append(connection.read_response(head))
        except EOFError:
            answers.closed = True
        except (socket.timeout, TimeoutError):
            if count is not None:
                raise AssertionError("%d of %d answers within %g s: %r, then %r" % (
                    len(answers), count, timeout, list(answers), connection.buffer[:500])) from None
        answers.rest = connection.buffer
        if not answers.closed and not answers.rest:
            answers.closed = connection.closed(0.05 if count is not None else 0.0)
    return answers


def request(method, url, body=None, headers=None, timeout=30.0):
    """One request over http.client on a connection of its own."""
    parts = urllib.parse.urlsplit(url)
    target = urllib.parse.urlunsplit(("", "", parts.path or "/", parts.query, ""))
    connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=timeout)
    try:
        connection.request(method, target, body=body, headers=headers or {})
        answer = connection.getresponse()
        return Response(answer.status, answer.reason, answer.getheaders(), answer.read())
    finally:
        connection.close()


def get(url, headers=None, timeout=30.0):
    return request("GET", url, None, headers, timeout)


def post(url, body, headers=None, timeout=30.0):
    if isinstance(body, str):
        body = body.encode()
    return request("POST", url, body, headers, timeout)


def free_port():
    """A port that nothing listens on now; another process may take it, so prefer --port=0."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Sink:
    """A small HTTP server in this process that records what it is asked: for bridges and clients.

    `answer(method, target, body) -> status`, (status, body) or (status, body, {header: value})
    decides; default 200, empty.
    .requests: list of Request(method, target, headers, body) in the order they came.
    """

    Request = collections.namedtuple("Request", "method target headers body")

    def __init__(self, answer=None, port=0):
        import http.server

        sink = self
        self.requests = []
        self.lock = threading.Lock()
        self.answer = answer or (lambda method, target, body: 200)

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def handle_any(self):
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                with sink.lock:
                    sink.requests.append(
                        Sink.Request(self.command, self.path, dict(self.headers), body))
                answer = sink.answer(self.command, self.path, body)
                status, text, *more = answer if isinstance(answer, tuple) else (answer, b"")
                self.send_response(status)
                for name, value in (more[0] if more else {}).items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)

            do_GET = do_POST = do_PUT = do_HEAD = handle_any

            def log_message(self, *unused):
                pass

        class Server(http.server.ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, *unused):
                pass  # a client that went away

        self.server = Server(("127.0.0.1", port), Handler)
        self.port = self.server.server_address[1]
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True)
        self.thread.start()

    def url(self, path=""):
        return "http://127.0.0.1:%d%s" % (self.port, path)

    def close(self):
        self.server.shutdown()
        self.server.server_close()

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        self.close()
