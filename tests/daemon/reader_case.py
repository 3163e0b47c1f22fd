"""What tests of queuereader have in common: plugins, a scripted simplequeue of the original kind, readers."""

import json
import os
import subprocess
import tempfile
import threading
import unittest
import urllib.parse

import harness
from harness import Daemon, Sink, framed, run_program

PLUGIN = """
#include <stdexcept>
#include "queuereader/task.h"
struct Picky : rivulet::Task {
  explicit Picky(rivulet::TaskArgs& args) : field(args.Text("field", "x")) {}
  rivulet::Outcome Run(const rivulet::Message& message, rivulet::Context&) override {
    auto x = message.Number(field);
    if (!x) throw std::runtime_error("no " + field);
    if (*x < 0) return rivulet::Outcome::Drop();
    if (*x == 13 && message.tries() < 3) return rivulet::Outcome::FailedWithoutBackoff("unlucky");
    sum += *x;
    return rivulet::Outcome::Done();
  }
  void Summarize(rivulet::Summary& summary) const override { summary.Number("sum", sum); }
  std::string field;
  double sum = 0;
};
RIVULET_TASK(Picky)
"""

# Sleeps for the milliseconds in the message, or for ever.
SLEEPY = """
#include <chrono>
#include <thread>
#include "queuereader/task.h"
struct Sleepy : rivulet::Task {
  rivulet::Outcome Run(const rivulet::Message& message, rivulet::Context&) override {
    auto ms = static_cast<long>(message.Number("sleep_ms").value_or(0));
    std::this_thread::sleep_for(std::chrono::milliseconds(ms));
    return rivulet::Outcome::Done();
  }
};
RIVULET_TASK(Sleepy)
"""

OLD = """
#include "queuereader/task.h"
extern "C" const rivulet::TaskPlugin rivulet_task;
const rivulet::TaskPlugin rivulet_task = {rivulet::kTaskAbiVersion + 1, nullptr};
"""


class ScriptedQueue(Sink):
    """A simplequeue of the test's own: FIFO of bytes, framed answers to /mget, POST /put.
    .put_status: what /put answers. .down: refuse everything with 503."""

    def __init__(self, messages=(), framed=True):
        self.messages = [m if isinstance(m, bytes) else json.dumps(m).encode() for m in messages]
        self.framed = framed
        self.put_status = 200
        self.down = False
        self.queue_lock = threading.Lock()
        super().__init__(self.serve)

    def serve(self, method, target, body):
        with self.queue_lock:
            parts = urllib.parse.urlsplit(target)
            query = dict(urllib.parse.parse_qsl(parts.query))
            if self.down:
                return 503
            if parts.path == "/put" and method == "POST":
                if self.put_status == 200:
                    self.messages.append(body)
                return self.put_status
            if parts.path == "/mget" and method == "GET":
                items = int(query["items"])
                taken, self.messages = self.messages[:items], self.messages[items:]
                if self.framed:
                    return 200, framed(taken), {"X-Format": "framed"}
                end = b"\n" if len(taken) < items else b""  # as the original
                return 200, b"\n".join(taken) + (end if taken else b"")
            return 404

    def targets(self, path=""):
        with self.lock:
            return [r.target for r in self.requests if r.target.startswith(path)]


class ReaderCase(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        harness.program_path("queuereader")
        cls.shared = tempfile.TemporaryDirectory()
        cls.addClassCleanup(cls.shared.cleanup)
        for name, source in (("picky", PLUGIN), ("sleepy", SLEEPY), ("old", OLD)):
            cls.compile(name, source)

    @classmethod
    def compile(cls, name, source):
        path = os.path.join(cls.shared.name, name)
        with open(path + ".cc", "w") as file:
            file.write(source)
        # -z defs: a task must need nothing of the program that loads it.
        subprocess.run(["g++", "-std=c++20", "-O1", "-Wall", "-Wextra", "-Werror", "-fPIC",
                        "-shared", "-Wl,-z,defs", "-I" + harness.ROOT, path + ".cc",
                        "-o", path + ".so"], check=True)

    def setUp(self):
        self.folder = self.enterContext(tempfile.TemporaryDirectory())
        self.failed = os.path.join(self.folder, "failed")

    def plugin(self, name, args=""):
        return "--task=%s%s" % (os.path.join(self.shared.name, name + ".so"), args)

    def path(self, name, text=""):
        path = os.path.join(self.folder, name)
        with open(path, "wb") as file:
            file.write(text if isinstance(text, bytes) else text.encode())
        return path

    def args(self, *args):
        return ["--failed-message-dir=" + self.failed, "--max-backoff=0s", *args]

    def run_json(self, *args, input=None, code=0):
        done = run_program("queuereader", *self.args("--summary-format=json", *args), input=input)
        self.assertEqual(done.returncode, code, done.stderr)
        return json.loads(done.stdout.splitlines()[-1])

    def reader(self, *args):
        return Daemon("queuereader", *self.args("--sleeptime-queue-empty=10ms",
                                                "--sleeptime-failed-queue=50ms", *args))

    def set_aside(self, queuename="default"):
        """The contents of what was set aside: {ending: [bytes, in order]}."""
        found = {}
        folder = os.path.join(self.failed, queuename)
        for name in sorted(os.listdir(folder)) if os.path.isdir(folder) else []:
            with open(os.path.join(folder, name), "rb") as file:
                found.setdefault(name.rsplit(".", 1)[1], []).append(file.read())
        return found
