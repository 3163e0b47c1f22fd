"""What tasks emit, and where it goes: outputs of a real queuereader."""

import json
import os
import subprocess
import tempfile
import unittest

import harness
from harness import Daemon, Sink, free_port, get, post, run_program, wait_until

SANITIZED = True

# Emits every message to the output `to`; the first try of one with "fail" emits, and fails then.
EMITTER = """
#include "queuereader/task.h"
struct Emitter : rivulet::Task {
  explicit Emitter(rivulet::TaskArgs& args) : to(args.Output("to", "out")) {}
  rivulet::Outcome Run(const rivulet::Message& message, rivulet::Context& context) override {
    context.Emit(to, message.text());
    if (message.Has("fail") && message.tries() == 1) return rivulet::Outcome::FailedWithoutBackoff("once");
    return rivulet::Outcome::Done();
  }
  std::string to;
};
RIVULET_TASK(Emitter)
"""


class OutputCase(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.shared = tempfile.TemporaryDirectory()
        cls.addClassCleanup(cls.shared.cleanup)
        source = os.path.join(cls.shared.name, "emitter.cc")
        cls.emitter = os.path.join(cls.shared.name, "emitter.so")
        with open(source, "w") as file:
            file.write(EMITTER)
        subprocess.run(["g++", "-std=c++20", "-fPIC", "-shared", "-I" + harness.ROOT, source,
                        "-o", cls.emitter], check=True)

    def setUp(self):
        self.folder = self.enterContext(tempfile.TemporaryDirectory())

    def path(self, name, text=None):
        path = os.path.join(self.folder, name)
        if text is not None:
            with open(path, "w") as file:
                file.write(text)
        return path

    def read(self, name):
        with open(self.path(name)) as file:
            return file.read()

    def daemon(self, name, *args, **named):
        daemon = Daemon(name, *args, **named)
        self.addCleanup(daemon.kill)
        return daemon

    def arguments(self, source, *args, to=""):
        return ("--source=" + source, "--failed-message-dir=" + self.path("failed"),
                "--requeue-delay=0s", "--task=%s%s" % (self.emitter, to), *args)

    def reader(self, source, *args, to=""):
        return self.daemon("queuereader", *self.arguments(source, *args, to=to),
                           "--http-address=127.0.0.1:0", listens=True)

    @staticmethod
    def outputs(reader):
        return reader.stats()["outputs"]

    @staticmethod
    def queued(queue):
        found = queue.stats()
        return {key: found[key] for key in ("depth", "in_flight", "deferred")}

    @staticmethod
    def taken(queue):
        return get(queue.url("/mget?items=10000")).text.splitlines()


class Batch(OutputCase):
    def test_a_batch_run_writes_its_results_in_order(self):
        lines = ['{"n":%d}' % n for n in range(2000)]
        ran = run_program("queuereader", *self.arguments(
            "file:" + self.path("in", "\n".join(lines) + "\n"), "--output=out=file:" + self.path("out")))
        self.assertEqual(ran.returncode, 0, ran.stderr)
        self.assertEqual(self.read("out").splitlines(), lines)

    def test_standard_output_takes_them_too(self):
        ran = run_program("queuereader", *self.arguments("-", "--output=out=file:-"),
                          input='{"a":1}\n{"b":\n{"c":3}\n')
        self.assertEqual(ran.returncode, 0, ran.stderr)
        # The summary comes behind all of it.
        self.assertTrue(ran.stdout.startswith('{"a":1}\n{"c":3}\n3 messages from '), ran.stdout)

    def test_what_a_failed_try_emitted_is_not_sent(self):
        ran = run_program("queuereader", *self.arguments("-", "--output=out=file:" + self.path("out")),
                          input='{"fail":1}\n{"b":2}\n')
        self.assertEqual(ran.returncode, 0, ran.stderr)
        self.assertEqual(sorted(self.read("out").splitlines()), ['{"b":2}', '{"fail":1}'])

    def test_wrong_outputs_are_refused_in_one_line(self):
        url = "http://127.0.0.1:1/put"
        for outputs, to, what in ((["x"], "", "--output=x"),
                                  (["out=" + url, "out=" + url], "", "must have another name"),
                                  (["other=" + url], "", "--output=out=URL"),
                                  (["out=" + url], ":to=alerts", "--output=alerts=URL")):
            with self.subTest(outputs=outputs, to=to):
                ran = run_program("queuereader", *self.arguments(
                    "-", *("--output=" + output for output in outputs), to=to))
                self.assertEqual(ran.returncode, 2, ran.stderr)
                self.assertIn(what, ran.stderr)
                self.assertEqual(ran.stderr.count("\n"), 1, ran.stderr)


class Stream(OutputCase):
    def test_emissions_wait_for_their_output_and_messages_for_their_emissions(self):
        queue = self.daemon("simplequeue")
        port = free_port()
        lines = ['{"n":%d}' % n for n in range(300)]
        post(queue.url("/mput"), "\n".join(lines))
        reader = self.reader(queue.url(), "--output=out=http://127.0.0.1:%d/mput?queue=results" % port)
        wait_until(lambda: self.outputs(reader)[0]["pending"] == 300, 20)
        wait_until(lambda: self.outputs(reader)[0]["retries"] > 0, 20)
        # Run, and not finished: were the reader killed now, they would come again.
        self.assertEqual(self.queued(queue), {"depth": 0, "in_flight": 300, "deferred": 0})
        results = self.daemon("simplequeue", "--port=%d" % port)
        wait_until(lambda: self.queued(queue)["in_flight"] == 0, 20)
        self.assertEqual(get(results.url("/mget?queue=results&items=1000")).text.splitlines(), lines)
        output = self.outputs(reader)[0]
        self.assertEqual([output[key] for key in ("emitted", "delivered", "refused", "pending")],
                         [300, 300, 0, 0])
        self.assertEqual(output["url"], "http://127.0.0.1:%d/mput" % port)
        reader.stop()

    def test_what_an_output_refuses_is_set_aside(self):
        def answer(method, target, body):
            return (400, b"missing x") if b"bad" in body else 200

        queue = self.daemon("simplequeue")
        with Sink(answer) as sink:
            post(queue.url("/mput"), '{"x":1}\n{"bad":1}\n{"x":2}')
            reader = self.reader(queue.url(), "--output=out=" + sink.url("/put"))
            wait_until(lambda: sum(self.queued(queue).values()) == 0, 20)
            output = self.outputs(reader)[0]
            self.assertEqual([output[key] for key in ("delivered", "refused", "pending")], [2, 1, 0])
            reader.stop()
        letter = json.loads(self.read("failed/default/refused.jsonl"))
        self.assertEqual((letter["message"], letter["answer"]), ('{"bad":1}', "400 missing x"))

    def test_a_checkpoint_holds_what_was_not_sent_when_the_reader_was_killed(self):
        queue = self.daemon("simplequeue")
        port = free_port()
        lines = ['{"n":%d}' % n for n in range(100)]
        post(queue.url("/mput"), "\n".join(lines))
        output = "--output=out=http://127.0.0.1:%d/mput" % port
        state = ("--checkpoint-dir=" + self.path("state"), "--checkpoint-every=20ms")
        reader = self.reader(queue.url(), output, *state)
        wait_until(lambda: sum(self.queued(queue).values()) == 0, 20)  # finished: it is safe here
        self.assertEqual(self.outputs(reader)[0]["pending"], 100)
        reader.kill()
        # Without the output they would be lost: the reader does not start.
        ran = run_program("queuereader", *self.arguments(
            queue.url(), "--output=other=http://127.0.0.1:1/put", *state, to=":to=other"))
        self.assertEqual(ran.returncode, 1, ran.stderr)
        self.assertIn("--output=out=URL", ran.stderr)
        results = self.daemon("simplequeue", "--port=%d" % port)
        reader = self.reader(queue.url(), output, *state)
        wait_until(lambda: self.outputs(reader)[0]["delivered"] == 100, 20)
        self.assertEqual(self.taken(results), lines)
        reader.stop()
        reader = self.reader(queue.url(), output, *state)  # and nothing is left of them
        self.assertEqual(self.outputs(reader)[0]["emitted"], 0)
        reader.stop()


if __name__ == "__main__":
    unittest.main()
