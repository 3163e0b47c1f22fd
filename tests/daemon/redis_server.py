"""A real redis-server for the daemon tests, in a temporary folder.

    with RedisServer("--appendonly", "yes") as redis:
        Daemon("queuereader", "--store=" + redis.url, ...)
        redis.ask("HGET", "clicks", "DE")      # b"3"
        redis.restart()

It listens on a unix socket and, with port=True, on a free port of 127.0.0.1 as well. It keeps
nothing over a restart unless its options say so (--appendonly yes). SkipTest where there is none.
"""

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import unittest

from harness import free_port, wait_until


class RedisError(Exception):
    """An error that the server answered."""


class RedisServer:
    """.url and .unix_url for --store, .port, .socket_path, .folder, .pid"""

    def __init__(self, *options, port=False, password=None, start=True):
        self._program = shutil.which("redis-server") or "/usr/bin/redis-server"
        if not os.path.exists(self._program):
            raise unittest.SkipTest("redis-server is not installed")
        self._folder = tempfile.TemporaryDirectory(prefix="rivulet-redis-")
        self.folder = self._folder.name
        self.socket_path = os.path.join(self.folder, "s")
        self.port = free_port() if port else 0
        self.password = password
        self._options = [str(option) for option in options]
        self._process = None
        if start:
            self.start()

    @property
    def pid(self):
        return self._process.pid

    @property
    def unix_url(self):
        secret = ":%s@" % self.password if self.password else ""
        return "redis+unix://%s%s" % (secret, self.socket_path)

    @property
    def url(self):
        """By its port where it has one, else by its socket."""
        if not self.port:
            return self.unix_url
        secret = ":%s@" % self.password if self.password else ""
        return "redis://%s127.0.0.1:%d/0" % (secret, self.port)

    def start(self, wait=True):
        if os.path.exists(self.socket_path):
            os.unlink(self.socket_path)
        command = [self._program, "--port", str(self.port), "--bind", "127.0.0.1",
                   "--unixsocket", self.socket_path, "--dir", self.folder, "--save", "",
                   "--logfile", os.path.join(self.folder, "log"), "--daemonize", "no"]
        if self.password:
            command += ["--requirepass", self.password]
        self._process = subprocess.Popen(command + self._options, stdin=subprocess.DEVNULL,
                                         stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        if wait:
            wait_until(self.answers, what="redis-server's answer; its log: " + self.log())
        return self

    def log(self):
        try:
            with open(os.path.join(self.folder, "log"), errors="backslashreplace") as file:
                return file.read()[-2000:]
        except OSError:
            return "(none)"

    def answers(self):
        if self._process.poll() is not None:
            raise AssertionError("redis-server ended: " + self.log())
        try:
            return self.ask("PING") == "PONG"
        except (OSError, RedisError):
            return False

    def kill(self):
        """As a crash would."""
        self._end(signal.SIGKILL)

    def stop(self):
        self._end(signal.SIGTERM)

    def _end(self, number):
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(number)
            self._process.wait(30)

    def restart(self, crash=True):
        (self.kill if crash else self.stop)()
        self.start()

    def ask(self, *words, user=None, password=None):
        """One command's answer: str of a status, bytes of a text, int, list or None; RedisError."""
        with socket.socket(socket.AF_UNIX) as link:
            link.settimeout(10)
            link.connect(self.socket_path)
            with link.makefile("rwb") as stream:
                secret = password or self.password
                if secret:
                    _send(stream, ["AUTH", *([user] if user else []), secret])
                    _receive(stream)
                _send(stream, words)
                return _receive(stream)

    def hash(self, key):
        """A hash as a dict of str."""
        flat = [item.decode("utf-8", "backslashreplace") for item in self.ask("HGETALL", key)]
        return dict(zip(flat[::2], flat[1::2]))

    def sorted_set(self, key):
        """A sorted set as a dict of str to float."""
        flat = self.ask("ZRANGE", key, 0, -1, "WITHSCORES")
        names = [item.decode("utf-8", "backslashreplace") for item in flat[::2]]
        return dict(zip(names, map(float, flat[1::2])))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.kill()
        self._folder.cleanup()


def _send(stream, words):
    words = [word if isinstance(word, bytes) else str(word).encode() for word in words]
    stream.write(b"*%d\r\n" % len(words)
                 + b"".join(b"$%d\r\n%s\r\n" % (len(word), word) for word in words))
    stream.flush()


def _receive(stream):
    line = stream.readline()
    if not line.endswith(b"\r\n"):
        raise OSError("redis-server closed the connection")
    kind, rest = line[:1], line[1:-2]
    if kind == b"-":
        raise RedisError(rest.decode("utf-8", "backslashreplace"))
    if kind == b"+":
        return rest.decode()
    if kind == b":":
        return int(rest)
    size = int(rest)
    if size < 0:
        return None
    if kind == b"*":
        return [_receive(stream) for _ in range(size)]
    body = stream.read(size + 2)
    return body[:-2]
