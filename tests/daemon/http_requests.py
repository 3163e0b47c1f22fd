"""Requests as a test wants them: whole ones (get, post, request), or bytes as they are (Connection,
raw_request), and what was answered; messages in frames."""

import http.client
import json
import socket
import urllib.parse


# A busy machine needs long to close; no test waits for it when all is well.
CLOSE_TIMEOUT = 20.0


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

    def closed(self, timeout=CLOSE_TIMEOUT):
        """True when the peer closes within `timeout` s, which only a peer that does not takes, without
        sending more."""
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
            answers.closed = connection.closed(_close_wait(answers, count))
    return answers


def _close_wait(answers, count):
    """How long the close after the answers is awaited: long where the last one promises it."""
    if answers and (answers[-1].header("Connection") or "").lower() == "close":
        return CLOSE_TIMEOUT
    return 0.05 if count is not None else 0.0


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


def framed(messages):
    """Messages as format=framed has them."""
    return b"".join(b"%d\n%s\n" % (len(message), message) for message in messages)


def unframed(body):
    """The messages of a framed body, without leases or offsets."""
    messages = []
    while body:
        size, _, body = body.partition(b"\n")
        size = int(size)
        assert body[size:size + 1] == b"\n", body[:100]
        messages.append(body[:size])
        body = body[size + 1:]
    return messages
