"""A pubsub that sends exactly the bytes a test gives it, for programs that follow one.

    with ScriptedSource() as source:
        bridge = Daemon("ps_to_http", "--pubsub-url=" + source.url(), ...)
        stream = source.stream(0)        # the first connection, once it is there
        stream.send(b"hel"); stream.send(b"lo\\n")   # two HTTP chunks
        stream.end()                     # a proper end; stream.cut() is a broken one
"""

import select
import socket
import threading

from harness import wait_until


class Stream:
    """One connection of a follower: its request head, and the answer being sent to it."""

    def __init__(self, connection, head, chunked):
        self.connection = connection
        self.head = head
        self.chunked = chunked
        self.target = head.split(b" ")[1].decode()

    def send(self, data):
        """Sends one piece, as one chunk where the answer is chunked. Blocks when nobody reads."""
        self.connection.sendall(b"%x\r\n%s\r\n" % (len(data), data) if self.chunked else data)

    def send_while_taken(self, data, quiet=0.5):
        """Sends `data` until the peer has taken nothing for `quiet` s; returns the bytes taken."""
        self.connection.setblocking(False)
        sent = 0
        try:
            while sent < len(data):
                if not select.select([], [self.connection], [], quiet)[1]:
                    break
                sent += self.connection.send(data[sent:sent + 65536])
        finally:
            self.connection.settimeout(30)
        return sent

    def end(self):
        if self.chunked:
            self.connection.sendall(b"0\r\n\r\n")
        self.cut()

    def cut(self):
        try:
            self.connection.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self.connection.close()

    def closed_by_peer(self):
        self.connection.setblocking(False)
        try:
            return self.connection.recv(1) == b""
        except BlockingIOError:
            return False
        except OSError:
            return True


class ScriptedSource:
    """`status`: the status line and headers of every answer; chunked unless told otherwise. `heads`: what
    the first answers begin with instead, byte for byte."""

    def __init__(self, chunked=True, status=b"200 OK", port=0, heads=()):
        self.heads = list(heads)
        self.chunked = chunked
        self.status = status
        self.streams = []
        self.listener = socket.socket()
        self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.listener.bind(("127.0.0.1", port))
        self.listener.listen(16)
        self.port = self.listener.getsockname()[1]
        self.thread = threading.Thread(target=self._accept, daemon=True)
        self.thread.start()

    def _accept(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            connection.settimeout(30)
            head = b""
            while b"\r\n\r\n" not in head:
                data = connection.recv(4096)
                if not data:
                    break
                head += data
            if not head:
                connection.close()
                continue
            framing = b"Transfer-Encoding: chunked" if self.chunked else b"Connection: close"
            connection.sendall(self.heads.pop(0) if self.heads else
                               b"HTTP/1.1 %s\r\n%s\r\n\r\n" % (self.status, framing))
            self.streams.append(Stream(connection, head, self.chunked))

    def url(self, path="/sub?multipart=0"):
        return "http://127.0.0.1:%d%s" % (self.port, path)

    def stream(self, number):
        wait_until(lambda: len(self.streams) > number, 20, "connection %d to the source" % number)
        return self.streams[number]

    def close(self):
        # A blocked accept() keeps the port until it is woken.
        try:
            self.listener.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self.listener.close()
        self.thread.join(5)
        for stream in self.streams:
            stream.cut()

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        self.close()
