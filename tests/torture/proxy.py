"""Bad networks and bad servers between two programs, on free ports of 127.0.0.1.

RequestProxy stands before an HTTP destination and knows requests from answers. What it does to each
is an Action that `plan(request)` chooses:

    with RequestProxy(queue.port, plan=lambda request: Action("cut_answer", part=0.5)) as proxy:
        bridge = Daemon("ps_to_http", "--destination-post-url=" + proxy.url("/mput"), ...)

It remembers the requests whose fate the sender cannot know, `unheard`: the destination answered them
2xx, or may have, and the sender was not told, or not whole. Only these may arrive twice.

StreamProxy stands before a pubsub and treats bytes: `plan(number)` gives each connection a Cut.
"""

import collections
import itertools
import random
import re
import select
import socket
import struct
import threading
import time

CONNECT_SECONDS = 5.0
IDLE_SECONDS = 120.0
RESET = struct.pack("ii", 1, 0)  # SO_LINGER of no time: close() sends a reset

# part: how much of the request or answer is let through, 0 to 1. seconds: how long it stalls. status:
# what is answered.
#   pass           nothing is done
#   delay          the request waits, and is passed
#   refuse         closed without an answer, nothing forwarded
#   cut_request    a part of the request is forwarded, then both sides are reset
#   stall_request  the same, and after a while the rest
#   cut_answer     a part of the destination's answer is passed, then both sides are reset
#   stall_answer   the same, and after a while the rest
#   half_answer    the same, and then a proper end of the connection
#   half_request   the destination is told after the request that no more comes
#   garble         bytes of the answer's head are others
#   answer         `status` is answered, nothing forwarded
#   swallow        200 is answered, nothing forwarded: a control, for nothing can help against it
#   double         forwarded twice: another
Action = collections.namedtuple("Action", "kind part seconds status retry_after",
                                defaults=("pass", 0.5, 0.0, 500, None))
PASS = Action()
KINDS_HEARD = {"pass", "delay", "refuse", "cut_request", "answer", "swallow"}


class Request:
    """number: from 0, in the order they began."""

    def __init__(self, number, head):
        self.number, self.head, self.body = number, head, b""

    @property
    def target(self):
        return self.head.split(b" ", 2)[1].decode("latin-1")

    def length(self):
        return length_of(self.head) or 0


def length_of(head):
    match = re.search(rb"\r\ncontent-length:[ \t]*(\d+)", head, re.IGNORECASE)
    return int(match.group(1)) if match else None


class Gone(Exception):
    """One of the two sides is."""


def receive(connection, size=65536):
    try:
        data = connection.recv(size)
    except OSError:
        data = b""
    if not data:
        raise Gone
    return data


def send(connection, data):
    try:
        connection.sendall(data)
    except OSError:
        raise Gone from None


def reset(connection):
    try:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
    except OSError:
        pass
    connection.close()


def finish(connection):
    """Says that no more comes, and waits a little for the peer to see it."""
    try:
        connection.shutdown(socket.SHUT_WR)
        connection.settimeout(0.3)
        while connection.recv(65536):
            pass
    except OSError:
        pass


class Proxy:
    """Takes connections; `serve(number, connection)` has a thread for each."""

    def __init__(self, target, host="127.0.0.1", listen="127.0.0.1"):
        self.target_host, self.target_port = host, target
        self.listener = socket.create_server((listen, 0), backlog=64)
        self.port = self.listener.getsockname()[1]
        self.lock = threading.Lock()
        self.open = set()
        self.closing = False
        self.taken = 0
        threading.Thread(target=self.accept, daemon=True).start()

    def url(self, path=""):
        return "http://127.0.0.1:%d%s" % (self.port, path)

    def accept(self):
        while not self.closing:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            connection.settimeout(IDLE_SECONDS)
            with self.lock:
                number, self.taken = self.taken, self.taken + 1
                self.open.add(connection)
            threading.Thread(target=self.run, args=(number, connection), daemon=True).start()

    def run(self, number, connection):
        try:
            self.serve(number, connection)
        except Gone:
            pass
        finally:
            with self.lock:
                self.open.discard(connection)
            connection.close()

    def connect(self):
        try:
            upstream = socket.create_connection((self.target_host, self.target_port), CONNECT_SECONDS)
        except OSError:
            raise Gone from None
        upstream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        upstream.settimeout(IDLE_SECONDS)
        with self.lock:
            self.open.add(upstream)
        return upstream

    def leave(self, upstream):
        with self.lock:
            self.open.discard(upstream)
        upstream.close()

    def cut_all(self):
        """Resets every connection of this moment."""
        with self.lock:
            connections = list(self.open)
        for connection in connections:
            try:
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def close(self):
        self.closing = True
        try:
            self.listener.shutdown(socket.SHUT_RDWR)  # a blocked accept() keeps the port
        except OSError:
            pass
        self.listener.close()
        self.cut_all()

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        self.close()


class RequestProxy(Proxy):
    def __init__(self, target, plan=lambda request: PASS, seed=0, **where):
        super().__init__(target, **where)
        self.plan = plan
        self.random = random.Random(seed)
        self.numbers = itertools.count()
        self.done = collections.Counter()  # kinds
        self.unheard = []  # (kind, request)

    def serve(self, number, connection):
        buffer = b""
        link = request = None
        try:
            while True:
                while b"\r\n\r\n" not in buffer:
                    buffer += self.next_bytes(connection, request)
                size = buffer.index(b"\r\n\r\n") + 4
                request = Request(next(self.numbers), buffer[:size])
                buffer = self.read_body(connection, request, buffer[size:])
                action = self.plan(request)
                with self.lock:
                    self.done[action.kind] += 1
                if action.kind in ("answer", "swallow"):
                    self.answer(connection, action)
                    request = None
                    continue
                if action.kind == "refuse":
                    reset(connection)
                    raise Gone
                link = link or Upstream(self.connect())
                self.exchange(connection, link, request, action)
                if action.kind not in KINDS_HEARD:
                    request = None
        finally:
            if link:
                self.leave(link.socket)

    def next_bytes(self, connection, answered):
        """Who goes away without need may have waited too long for the last answer, on a busy machine."""
        try:
            return receive(connection)
        except Gone:
            if answered:
                with self.lock:
                    self.unheard.append(("left", answered))
            raise

    def read_body(self, connection, request, buffer):
        """Returns what came behind the body."""
        parts, have, size = [buffer], len(buffer), request.length()
        if b"100-continue" in request.head.lower() and have < size:
            send(connection, b"HTTP/1.1 100 Continue\r\n\r\n")
        while have < size:
            parts.append(receive(connection))
            have += len(parts[-1])
        whole = b"".join(parts)
        request.body = whole[:size]
        return whole[size:]

    def answer(self, connection, action):
        status = 200 if action.kind == "swallow" else action.status
        more = "" if action.retry_after is None else "Retry-After: %s\r\n" % action.retry_after
        send(connection, ("HTTP/1.1 %d By the proxy\r\n%sContent-Length: 5\r\n\r\nproxy" % (
            status, more)).encode())

    def exchange(self, connection, link, request, action):
        data = request.head + request.body
        cut = int(len(data) * action.part)
        if action.kind == "cut_request":
            send(link.socket, data[:cut])
            reset(link.socket)
            reset(connection)
            raise Gone
        if action.kind not in KINDS_HEARD:
            with self.lock:
                self.unheard.append((action.kind, request))
        if action.kind == "delay":
            time.sleep(action.seconds)
        if action.kind == "double":
            send(link.socket, data)
            link.read_answer()
        if action.kind == "stall_request":
            send(link.socket, data[:cut])
            time.sleep(action.seconds)
            data = data[cut:]
        send(link.socket, data)
        if action.kind == "half_request":
            link.socket.shutdown(socket.SHUT_WR)
        answer = link.read_answer()
        self.pass_answer(connection, answer, action)
        if link.closing or action.kind == "half_request":
            finish(connection)
            raise Gone

    def pass_answer(self, connection, answer, action):
        cut = int(len(answer) * action.part)
        if action.kind == "cut_answer":
            send(connection, answer[:cut])
            time.sleep(action.seconds)  # so that the part arrives, or not, before the reset
            reset(connection)
            raise Gone
        if action.kind == "half_answer":
            send(connection, answer[:cut])
            finish(connection)
            raise Gone
        if action.kind == "stall_answer":
            send(connection, answer[:cut])
            time.sleep(action.seconds)
            answer = answer[cut:]
        if action.kind == "garble":
            answer = self.garbled(answer)
        send(connection, answer)

    def garbled(self, answer):
        end = answer.index(b"\r\n\r\n")
        changed = bytearray(answer)
        with self.lock:
            for _ in range(self.random.choice((1, 1, 2, 5))):
                changed[self.random.randrange(end)] = self.random.randrange(256)
        return bytes(changed)


class Upstream:
    """The connection to the destination, which is asked one thing at a time."""

    def __init__(self, connection):
        self.socket = connection
        self.closing = False

    def read_answer(self):
        buffer = b""
        while b"\r\n\r\n" not in buffer:
            buffer += receive(self.socket)
        size = buffer.index(b"\r\n\r\n") + 4
        length = length_of(buffer[:size])
        self.closing = b"\r\nconnection: close" in buffer[:size].lower()
        if length is None:
            raise AssertionError("an answer without a length: %r" % buffer[:200])
        while len(buffer) < size + length:
            buffer += receive(self.socket)
        return buffer


# What happens to a connection once `after` bytes of the answer (request: of the request) have passed.
#   reset, end (a proper one to both), half (the follower is told that no more comes, and the source
#   goes on), stall (then on), garble (of the status line, from byte `after` on)
Cut = collections.namedtuple("Cut", "kind after seconds request", defaults=("pass", 0, 0.0, False))


class StreamProxy(Proxy):
    def __init__(self, target, plan=lambda number: Cut(), **where):
        super().__init__(target, **where)
        self.plan = plan
        self.done = collections.Counter()

    def serve(self, number, connection):
        cut = self.plan(number)
        with self.lock:
            self.done[cut.kind] += 1
        upstream = self.connect()
        others = {connection: upstream, upstream: connection}
        cut_side = connection if cut.request else upstream
        left = cut.after
        try:
            while True:
                for side in select.select(list(others), [], [], IDLE_SECONDS)[0]:
                    data = receive(side)
                    if side is cut_side and cut.kind != "pass":
                        if len(data) < left:
                            left -= len(data)
                        else:
                            data = self.cut(side, others[side], cut, data, left)
                            cut = Cut()
                    send(others[side], data)
        finally:
            self.leave(upstream)

    def cut(self, side, other, cut, data, at):
        """What is still to be sent."""
        if cut.kind == "garble":
            line = data.find(b"\r\n")
            at = max(0, min(at, line - 1))
            return data[:at] + bytes([data[at] ^ 0x15]) + data[at + 1:]
        send(other, data[:at])
        if cut.kind == "stall":
            time.sleep(cut.seconds)
            return data[at:]
        if cut.kind == "half":
            finish(other)
        elif cut.kind == "reset":
            reset(side)
            reset(other)
        raise Gone
