"""What the tests of collector share: one before a recording destination, and the messages that arrived."""

import json
import os
import shutil
import tempfile
import unittest

from harness import Daemon, Sink, get, post, wait_until

MAPPING = """
type = type
id = id
item = param.item
url = location
agent = user_agent
remote = remote
time = time
bot = bot
duplicate = duplicate
"""
AGENT = "Mozilla/5.0 (X11; Linux x86_64) Gecko/20100101 Firefox/140.0"


def event(number=None, **more):
    """An event as collector.js writes it."""
    more.setdefault("t", "page_view")
    if number is not None:
        more["i"] = "e%06d" % number
    return more


class CollectorCase(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="rivulet_collector_")
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)

    def path(self, name, text=None, mode=0o600):
        path = os.path.join(self.folder, name)
        if text is not None:
            with open(path, "w", encoding="utf-8") as file:
                file.write(text)
            os.chmod(path, mode)
        return path

    def destination(self, answer=None, port=0):
        sink = Sink(answer, port)
        self.addCleanup(sink.close)
        return sink

    def start(self, *args, sink=None, path="/put", mapping=MAPPING, **more):
        """A collector that delivers to `sink`, self.sink when none is given."""
        self.sink = sink or self.destination()
        args = ["--port=0", "--destination-post-url=" + self.sink.url(path), "--max-backoff=100ms",
                "--mapping=" + self.path("test.map", mapping), *args]
        collector = Daemon("collector", *args, listens=True, **more)
        self.addCleanup(collector.kill)
        return collector

    def send(self, collector, events, headers=None, json_answer=False):
        """POST as sendBeacon does it; `events`: an event or a list of them."""
        headers = {"User-Agent": AGENT, "Content-Type": "text/plain;charset=UTF-8", **(headers or {})}
        if json_answer:
            headers["Accept"] = "application/json"
        return post(collector.url("/event"), json.dumps(events), headers)

    def messages(self, sink=None):
        sink = sink or self.sink
        with sink.lock:
            bodies = [r.body for r in sink.requests]
        return [json.loads(line) for body in bodies for line in body.split(b"\n") if line]

    def await_messages(self, count, sink=None):
        wait_until(lambda: len(self.messages(sink)) >= count, 20, "%d messages" % count)
        return self.messages(sink)

    def stats(self, collector):
        return get(collector.url("/stats?format=json")).json()
