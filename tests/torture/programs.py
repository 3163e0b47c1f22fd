"""What is put to torture: simplequeue with a data path, or redis-server to calibrate the tests on."""

import json
import os
import subprocess
import tempfile
import time

from load import QUEUES
from sessions import HttpSession, RedisSession
from shim import ROOT

from harness import Daemon, wait_until  # after sessions, which knows where it is

START_SECONDS = 30.0


class DidNotStart(Exception):
    """.status: of its exit."""

    def __init__(self, status, text):
        super().__init__("exit status %s: %s" % (status, text))
        self.status = status
        self.text = text


class SimpleQueue:
    """start() and drain() of a simplequeue on one data path."""

    session = HttpSession

    def __init__(self, path, options=()):
        self.path = path
        self.options = list(options)

    def start(self, fault=None, options=()):
        """A harness.Daemon that listens, with .where for a session; DidNotStart."""
        daemon = Daemon("simplequeue", "--port=0", "--data-path=" + self.path, "--dedupe-window=1h",
                        *self.options, *options, env=fault.env if fault else None, listens=False)
        try:
            daemon.port = int(daemon.wait_for_line(r"^listening on .*:(\d+)$", START_SECONDS).group(1))
        except AssertionError:
            daemon.kill()
            raise DidNotStart(daemon.process.returncode, daemon.stderr()[-2000:]) from None
        daemon.address = "127.0.0.1"
        daemon.place = daemon.port
        return daemon

    def counts(self, session):
        """Of all queues: depth, in_flight, deferred and dead."""
        queues = json.loads(session.ask("GET", "/stats?format=json").body)["queues"].values()
        return {state: sum(queue[state] for queue in queues)
                for state in ("depth", "in_flight", "deferred", "dead")}

    def drain(self, daemon, history):
        """(key, attempts, message id) of everything that is there."""
        session = self.session(daemon.place)
        wait_until(lambda: self.counts(session)["deferred"] == 0, 20, "deferred messages became ready")
        found = []
        for queue in QUEUES:
            session.ask("GET", "/kick?items=100000000&queue=" + queue)
            while True:
                leased = session.lease(queue, 500, 3600.0)
                if not leased:
                    break
                found += [(history.key_of(body), attempts, ident)
                          for _, attempts, ident, body in leased]
        counts = self.counts(session)
        for state, count in (("depth", 0), ("deferred", 0), ("dead", 0), ("in_flight", len(found))):
            if counts[state] != count:
                history.wrong.append("stats: %s is %s, not %d, when all is drained" % (
                    state, counts[state], count))
        session.close()
        return found


class RedisDaemon:
    """The part of harness.Daemon that is needed here."""

    def __init__(self, path, env):
        self.where = self.place = tempfile.mktemp(prefix="redis-", suffix=".socket")
        self.output = tempfile.TemporaryFile()
        self.process = subprocess.Popen(
            ["redis-server", "--port", "0", "--unixsocket", self.where, "--dir", path, "--save", "",
             "--appendonly", "yes", "--appendfsync", "always", "--auto-aof-rewrite-percentage", "0"],
            stdin=subprocess.DEVNULL, stdout=self.output, stderr=subprocess.STDOUT,
            env={**os.environ, **(env or {})})
        self.pid = self.process.pid
        deadline = time.monotonic() + START_SECONDS
        while not self.answers():
            if self.process.poll() is not None or time.monotonic() > deadline:
                self.kill()
                raise DidNotStart(self.process.returncode, self.stderr()[-2000:])
            time.sleep(0.003)

    def answers(self):
        try:
            session = RedisSession(self.where)
            session.ask_all([("LLEN", "ready")])  # an error while it loads
            session.close()
            return True
        except Exception:
            return False

    def running(self):
        return self.process.poll() is None

    def stderr(self):
        self.output.seek(0)
        return self.output.read().decode("utf-8", "backslashreplace")

    def wait(self, timeout=START_SECONDS):
        return self.process.wait(timeout)

    def kill(self):
        if self.running():
            self.process.kill()
        self.process.wait()
        if os.path.exists(self.where):
            os.unlink(self.where)

    def stop(self, expected=None, timeout=START_SECONDS):
        if self.running():
            self.process.terminate()
        return self.wait(timeout)


class Redis:
    session = RedisSession

    def __init__(self, path, options=()):
        self.path = path

    def start(self, fault=None, options=()):
        return RedisDaemon(self.path, fault.env if fault else None)

    def drain(self, daemon, history):
        session = RedisSession(daemon.place)
        taken, ready = session.everything()
        session.close()
        return [(history.key_of(body), None, None) for body in taken + ready]


PROGRAMS = {"simplequeue": SimpleQueue, "redis": Redis}


def folder():
    """A fresh folder on the disk that the build is on: /tmp may be memory."""
    build = os.environ.get("RIVULET_BUILD_DIR", os.path.join(ROOT, "build", "release"))
    base = os.path.join(build, "torture")
    os.makedirs(base, exist_ok=True)
    return tempfile.TemporaryDirectory(prefix="data-", dir=base)
