"""T12: a message that throws, aborts, faults, loops for ever, takes a GiB, closes descriptors or exits
costs itself a try, and not the reader (--isolate); without isolation the reader ends, and the next one
knows which message it was. Not under a sanitizer: it wants the signals and the memory for itself."""

import json
import os
import re
import signal
import subprocess
import tempfile
import unittest

import harness
from harness import Daemon, get, post, wait_until

POISON = """
#include <cstdlib>
#include <stdexcept>
#include <string>
#include <vector>
#include <unistd.h>
#include "queuereader/task.h"
struct Poison : rivulet::Task {
  explicit Poison(rivulet::TaskArgs& args) : at(args.Text("at")) { Misbehave("made"); }
  void Misbehave(const std::string& where) const {
    if (at == where + ":abort") std::abort();
    if (at == where + ":hang") for (;;) pause();
  }
  rivulet::Outcome Run(const rivulet::Message& message, rivulet::Context&) override {
    const auto what = message.Text("do").value_or("");
    if (what == "throw") throw std::runtime_error("thrown");
    if (what == "abort") std::abort();
    if (what == "fault") *static_cast<volatile int*>(nullptr) = 1;
    if (what == "loop") for (volatile bool always = true; always;) {}
    if (what == "take") std::vector<char>(std::size_t{1} << 30, 'x').swap(taken);
    if (what == "close") for (int fd = 0; fd < 3; ++fd) close(fd);
    if (what == "exit") std::exit(0);
    if (what == "leave" && chdir("/") != 0) std::abort();
    ++count;
    sum += static_cast<long>(message.Number("n").value_or(0));
    return rivulet::Outcome::Done();
  }
  std::string Save() const override { Misbehave("saved"); return std::to_string(count) + " " + std::to_string(sum); }
  rivulet::Status Load(std::string_view saved) override {
    const std::string text(saved);
    count = std::stol(text);
    sum = std::stol(text.substr(text.find(' ')));
    return {};
  }
  void Summarize(rivulet::Summary& summary) const override {
    Misbehave("shown");
    summary.Count("count", static_cast<std::uint64_t>(count));
    summary.Count("sum", static_cast<std::uint64_t>(sum));
  }
  std::string at;  // what it does besides Run(), and how: made:abort
  long count = 0;
  long sum = 0;
  std::vector<char> taken;
};
RIVULET_TASK(Poison)
"""


class ReaderCrashes(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        if harness.IS_SANITIZED:
            raise unittest.SkipTest("a sanitizer takes the signals and the memory for itself")
        for name in ("queuereader", "simplequeue"):
            harness.program_path(name)
        shared = tempfile.TemporaryDirectory()
        cls.addClassCleanup(shared.cleanup)
        cls.plugin = os.path.join(shared.name, "poison.so")
        subprocess.run(["g++", "-std=c++20", "-O1", "-Wall", "-Wextra", "-fPIC", "-shared",
                        "-Wl,-z,defs", "-I" + harness.ROOT, "-x", "c++", "-", "-o", cls.plugin],
                       input=POISON.encode(), check=True)

    def setUp(self):
        self.folder = self.enterContext(tempfile.TemporaryDirectory())
        self.queue = self.enter(Daemon("simplequeue"))

    def enter(self, context):
        context.__enter__()
        self.addCleanup(context.stop)
        return context

    def put(self, count, poison):
        """`count` messages of n from 0; `poison`: {n: what it does}."""
        messages = [{"n": n, **({"do": poison[n]} if n in poison else {})} for n in range(count)]
        body = "\n".join(json.dumps(message) for message in messages)
        self.assertEqual(post(self.queue.url("/mput"), body).status, 200)

    def reader(self, *args):
        return Daemon("queuereader", "--source=" + self.queue.url(), "--task=" + self.plugin,
                      "--failed-message-dir=" + os.path.join(self.folder, "failed"),
                      "--max-tries=2", "--requeue-delay=0s", "--max-backoff=0s",
                      "--sleeptime-queue-empty=10ms", "--summary-format=json", *args)

    def failed(self):
        """What was set aside: {n: its message}."""
        folder = os.path.join(self.folder, "failed", "default")
        found = {}
        for name in os.listdir(folder) if os.path.isdir(folder) else []:
            if name.endswith(".json"):
                with open(os.path.join(folder, name)) as file:
                    message = json.load(file)
                found[message["data"]["n"]] = message
        return found

    def in_state(self, state):
        text = get(self.queue.url("/peek?items=2000&state=" + state)).text
        return [json.loads(line) for line in text.splitlines()]

    def left(self):
        return sum(len(self.in_state(state)) for state in ("ready", "in_flight", "deferred"))

    def check_all_done_but(self, summary, count, poison):
        """Everything but `poison` was done exactly once; that is set aside, and dead in its queue."""
        task = summary["tasks"][0]["summary"]
        self.assertEqual(task, {"count": count - len(poison),
                                "sum": sum(range(count)) - sum(poison)})
        self.assertEqual(sorted(self.failed()), sorted(poison))
        for message in self.failed().values():
            self.assertEqual(message["tries"], 2)
            self.assertEqual(message["tasks_left"], ["poison"])
        self.assertEqual((len(self.in_state("dead")), self.left()), (len(poison), 0))

    def test_isolated_each_poison_in_a_thousand_costs_itself_alone(self):
        poison = {50: "throw", 150: "abort", 250: "fault", 350: "loop", 450: "take", 650: "exit"}
        self.put(1000, {**poison, 550: "close"})
        reader = self.enter(self.reader("--isolate", "--task-memory=512MiB", "--task-timeout=1s"))
        wait_until(lambda: len(self.in_state("dead")) == len(poison) and self.left() == 0,
                   timeout=60, what="the end of the messages")
        self.assertTrue(reader.running())
        reader.stop()
        self.check_all_done_but(json.loads(reader.stdout().splitlines()[-1]), 1000, poison)
        for says in ("SIGABRT", "SIGSEGV", "exited with 0", "did not answer within 1s", "bad_alloc",
                     "thrown"):
            self.assertIn(says, reader.stderr())

    def with_time_limits(self, run):
        """run(limit), with a longer one where the machine stood still for so long that what did not
        hang seemed to, or a lease was lost: where one of them is told of."""
        for limit in ("300ms", "2s", "10s"):
            self.told = []
            try:
                return run(limit)
            except AssertionError:
                if limit == "10s" or not self.stood_still():
                    raise
                self.setUp()

    def stood_still(self):
        return any("no answer within" in told for told in self.told) or self.queue.stats()["finish_missed"] > 0

    def ends(self, lease, ended, says, *args):
        """Starts readers until one goes on: each that ends does so with `ended`, and says why."""
        args = ("--checkpoint-dir=" + os.path.join(self.folder, "state"), "--lease=" + lease, *args)
        for _ in range(2):
            reader = self.reader(*args)
            self.addCleanup(reader.kill)
            status = reader.wait()
            self.told.append(reader.stderr())
            self.assertEqual(status, ended, reader.stderr())
            self.assertRegex(reader.stderr(), says)
        reader = self.reader(*args)
        self.addCleanup(reader.kill)
        wait_until(lambda: not reader.running() or len(self.in_state("dead")) == 1 and self.left() == 0,
                   timeout=30, what="the end of the messages")
        reader.stop()
        self.assertRegex(reader.stdout(), re.compile("^{", re.M))
        return reader

    def test_a_fault_ends_the_reader_and_the_next_one_charges_the_message(self):
        def fault(lease):
            self.put(100, {40: "fault"})
            last = self.ends(lease, -signal.SIGSEGV, r"queuereader: SIGSEGV in task poison on message \S+")
            self.assertRegex(last.stderr(), "SIGSEGV in task poison, with .* in hand")
            self.check_all_done_but(json.loads(last.stdout().splitlines()[-1]), 100, {40: "fault"})

        self.with_time_limits(fault)

    def test_an_exit_in_a_task_is_a_crash_as_well(self):
        def leave(lease):
            self.put(100, {40: "exit"})
            last = self.ends(lease, 1, r"queuereader: a call of exit\(\) in task poison on message \S+")
            self.check_all_done_but(json.loads(last.stdout().splitlines()[-1]), 100, {40: "exit"})

        self.with_time_limits(leave)

    def test_a_hang_ends_the_reader_with_1_and_costs_its_message_a_try(self):
        def hang(limit):
            self.put(100, {40: "loop"})
            last = self.ends(limit, 1, r"no answer within \S+ \(--task-timeout\), with .+ in hand",
                             "--task-timeout=" + limit)
            self.check_all_done_but(json.loads(last.stdout().splitlines()[-1]), 100, {40: "loop"})

        self.with_time_limits(hang)

    def test_lines_of_a_file_that_hang_are_charged_over_restarts_until_they_are_given_up(self):
        self.with_time_limits(self.read_a_file_with_lines_that_hang)

    def read_a_file_with_lines_that_hang(self, limit):
        path = os.path.join(self.folder, "lines")
        poison = {40: "loop", 41: "loop"}
        with open(path, "w") as file:
            for n in range(100):
                file.write(json.dumps({"n": n, **({"do": poison[n]} if n in poison else {})}) + "\n")
        for starts in range(1, 9):
            reader = Daemon("queuereader", "--source=file:" + path, "--task=" + self.plugin,
                            "--failed-message-dir=" + os.path.join(self.folder, "failed"),
                            "--checkpoint-dir=" + os.path.join(self.folder, "state"),
                            "--max-tries=2", "--requeue-delay=0s", "--max-backoff=0s",
                            "--task-timeout=" + limit, "--summary", "--summary-format=json", listens=False)
            self.addCleanup(reader.kill)
            status = reader.wait()
            self.told.append(reader.stderr())
            if starts > 1:
                self.assertRegex(reader.stderr(), "ended by a hang in task poison, with .* byte .* in hand")
            if status == 0:
                break
            self.assertEqual(status, 1, reader.stderr())
        self.assertEqual(starts, 5)  # two tries each
        self.assertEqual(json.loads(reader.stdout().splitlines()[-1])["tasks"][0]["summary"],
                         {"count": 98, "sum": sum(range(100)) - 81})
        set_aside = []
        for folder, _, names in os.walk(os.path.join(self.folder, "failed")):
            for name in names:
                with open(os.path.join(folder, name)) as file:
                    message = json.load(file)
                set_aside.append((message["data"]["n"], message["tries"]))
        self.assertEqual(sorted(set_aside), [(40, 2), (41, 2)])

    def over_stdin(self, at, input, *args, **kwargs):
        return subprocess.run([harness.program_path("queuereader"), "--source=-",
                               "--task=%s:name=poison%s" % (self.plugin, at and ",at=" + at),
                               "--failed-message-dir=failed", "--summary-format=json", *args],
                              input=input, capture_output=True, text=True, cwd=self.folder,
                              timeout=30, **kwargs)

    def test_calls_besides_run_are_told_when_they_end_the_process_or_hang(self):
        for at, status, says in (
                ("made:abort", -signal.SIGABRT, "SIGABRT in task poison while it was made"),
                ("saved:abort", -signal.SIGABRT, "SIGABRT in task poison while its state was saved"),
                ("shown:abort", -signal.SIGABRT, "SIGABRT in task poison while its summary was made"),
                ("saved:hang", 1, r"no answer within \S+ \(--task-timeout\) while its state was"),
                ("shown:hang", 1, r"no answer within \S+ \(--task-timeout\) while its summary")):
            def call(limit, at=at, status=status, says=says):
                done = self.over_stdin(at, "{}\n", "--checkpoint-dir=state-" + at.replace(":", "-"),
                                       "--task-timeout=" + limit)
                self.told.append(done.stderr)
                self.assertEqual(done.returncode, status, done.stderr)
                self.assertRegex(done.stderr, says)

            with self.subTest(at):
                self.with_time_limits(call)

    def test_a_task_that_closes_the_standard_files_or_leaves_the_folder_does_no_harm(self):
        lines = '{"do": "close"}\n{"do": "leave"}\n'
        done = self.over_stdin("", lines, "--checkpoint-dir=state", "--output=o=file:o")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("task poison closed standard error: it is put back", done.stderr)
        self.assertEqual(json.loads(done.stdout)["tasks"][0]["summary"]["count"], 2)
        self.assertTrue(os.listdir(os.path.join(self.folder, "state")))


if __name__ == "__main__":
    unittest.main()
