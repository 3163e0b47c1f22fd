"""What the tests of ps_to_http share: a bridge between a scripted source and a recording destination, or
between a real pubsub and a real queue; and what its last line says."""

import os
import re
import shutil
import tempfile
import unittest
import urllib.parse

from harness import Daemon, Sink, framed, get, post, wait_until
from scripted_http import ScriptedSource


def numbers(bridge):
    """The numbers of the last line: {"received": N, "delivered": N, "refused": N, "pending": N, ...}."""
    line = bridge.stderr().rstrip("\n").rsplit("\n", 1)[-1]
    match = re.fullmatch(r"ps_to_http: (\d+ \w+(?:, \d+ \w+)*)", line)
    if not match:
        raise AssertionError("no summary in %r" % line)
    return {word: int(number) for number, word in
            (part.split(" ") for part in match.group(1).split(", "))}


def summary(bridge):
    """Received, delivered, refused, pending; and nothing else is there."""
    found = numbers(bridge)
    if list(found) != ["received", "delivered", "refused", "pending"]:
        raise AssertionError("more than that in %r" % found)
    return tuple(found.values())


def ids(count, first=0, size=6):
    """Messages that are told apart, in order."""
    return [b"%0*d" % (size, i) for i in range(first, first + count)]


class BridgeCase(unittest.TestCase):
    """Scripted on both sides."""

    def start(self, *args, source=None, paths=("POST /put",), answer=None):
        """A bridge from self.source to self.sink, whose URLs are given as `METHOD PATH`."""
        self.source = source or ScriptedSource()
        self.addCleanup(self.source.close)
        self.sink = Sink(answer)
        self.addCleanup(self.sink.close)
        urls = ["--destination-%s-url=%s" % (method.lower(), self.sink.url(path))
                for method, path in (text.split(" ", 1) for text in paths)]
        bridge = Daemon("ps_to_http", "--pubsub-url=" + self.source.url(), "--max-backoff=200ms",
                        *urls, *args)
        self.addCleanup(bridge.kill)
        self.stream = self.source.stream(0)
        return bridge

    def folder(self):
        path = tempfile.mkdtemp(prefix="rivulet_bridge_")
        self.addCleanup(shutil.rmtree, path, ignore_errors=True)
        return path

    def seen(self):
        with self.sink.lock:
            return [(r.method, r.target, r.body) for r in self.sink.requests]

    def bodies(self):
        return [body for _, _, body in self.seen()]

    def targets(self):
        return [target for _, target, _ in self.seen()]

    def await_requests(self, count):
        wait_until(lambda: len(self.sink.requests) >= count, 20,
                   "request %d at the destination" % count)


class RealCase(unittest.TestCase):
    """A real pubsub that keeps its past, and a recording destination or a real queue."""

    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="rivulet_bridge_")
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)

    def path(self, name):
        return os.path.join(self.folder, name)

    def daemon(self, name, *args, **more):
        daemon = Daemon(name, *args, **more)
        self.addCleanup(daemon.kill)
        return daemon

    def pubsub(self, *args):
        return self.daemon("pubsub", "--retain-bytes=256MiB", *args)

    def bridge(self, pubsub, *args, **more):
        return self.daemon("ps_to_http", "--pubsub-url=" + pubsub.url("/sub?topic=t&since=earliest"),
                           "--max-backoff=100ms", *args, **more)

    def publish(self, pubsub, messages):
        answer = post(pubsub.url("/pub?topic=t&format=framed"), framed(messages))
        self.assertEqual(answer.status, 200, answer.text)

    def depth(self, queue, name="default"):
        return get(queue.url("/stats?format=json&queue=" + urllib.parse.quote(name))).json()["depth"]

    def take_all(self, queue):
        """Every message of the queue, by one GET each."""
        messages = []
        while self.depth(queue) > 0:
            messages.append(get(queue.url("/get")).body)
        return messages
