"""The programs as real processes, ended by pid: on free ports, their output read as it comes.

The programs are those in RIVULET_BIN_DIR (default: build/bin). What is not ended by its test is
killed when the interpreter leaves.
"""

import atexit
import os
import re
import signal
import socket
import subprocess
import tempfile
import threading
import time
import unittest

from http_requests import get

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
_held_ports = []  # the sockets of free_port()


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


def wait_until(predicate, timeout=START_TIMEOUT, what="the condition"):
    """Polls until predicate() is true and returns its value; AssertionError after `timeout` s, which
    only what hangs takes."""
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


def free_port():
    """A port that nothing listens on, and that is given to nobody who asks for any port while this
    process runs. A server that sets SO_REUSEADDR, as the programs, Sink and Redis do, can take it."""
    # Bound, and not listening: a connection is refused, and a bind that names the port is not.
    holder = socket.socket()
    holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    holder.bind(("127.0.0.1", 0))
    _held_ports.append(holder)
    return holder.getsockname()[1]


class Daemon:
    """A started program. Servers get --port=0 (unless --port or a unix address is among the
    arguments) and are awaited until they print `listening on WHERE`; others are not awaited.

    .port, .where (what was printed), .url(path), .pid, .process (Popen)
    .stdout() and .stderr(): text so far; .stats(): of one that answers HTTP
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

    def wait_for_log(self, text, timeout=START_TIMEOUT):
        """Waits until standard error holds `text`."""
        try:
            wait_until(lambda: text in self.stderr(), timeout)
        except AssertionError:
            raise AssertionError("%s did not say %r within %g s\nstderr: %s" % (
                " ".join(self.command), text, timeout, self.stderr())) from None

    def stats(self):
        """What /stats?format=json answers, parsed."""
        return get(self.url("/stats?format=json")).json()

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
