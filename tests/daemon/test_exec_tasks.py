"""Programs as tasks of queuereader (exec:), in Python with the helper of examples/python_tasks."""

import json
import os
import re
import shutil
import signal
import sys
import tempfile
import unittest

from harness import ROOT, Daemon, post, run_program, wait_until

SANITIZED = True

HELPER = os.path.join(ROOT, "examples", "python_tasks")

# What a message says is what the task does.
ACTS = """
import os, sys, time
from rivulet_task import Drop, Retry, count, emit, run, task

@task
def act(message):
    does = message.get("does")
    if does == "exit": os._exit(3)
    if does == "hang": time.sleep(1000)
    if does == "throw": raise ValueError("no such thing")
    if does == "false": return False
    if does == "drop": raise Drop
    if does == "retry": raise Retry("busy", backoff=False)
    if does == "print": print("seen", message["n"])
    emit("done", message["n"])
    emit("names", "number %d" % message["n"])
    count("acts")
run()
"""

# Sums x; its state is the checkpoint's.
SUMS = """
import time
from rivulet_task import run, task
state = {"sum": 0, "seen": 0}

@task
def add(message):
    state["sum"] += message["x"]
    state["seen"] += 1
    time.sleep(0.0005)
run(save=lambda: state, load=state.update)
"""

HALVES = """
from rivulet_task import run, task

@task
def half(message):
    return {"x": message["x"] / 2}
run()
"""


class ExecTaskTest(unittest.TestCase):
    def setUp(self):
        self.folder = self.enterContext(tempfile.TemporaryDirectory())
        self.failed = os.path.join(self.folder, "failed")

    def path(self, name, text=""):
        path = os.path.join(self.folder, name)
        with open(path, "w") as file:
            file.write(text)
        return path

    def python(self, source, options=""):
        path = self.path("program.py", source)
        return "exec:%sPYTHONPATH=%s exec %s -B %s" % (options, HELPER, sys.executable, path)

    def messages(self, messages):
        return self.path("messages", "".join(json.dumps(m) + "\n" for m in messages))

    def args(self, *args):
        once = [] if any(arg.startswith("--max-tries") for arg in args) else ["--max-tries=1"]
        return ["--failed-message-dir=" + self.failed, "--max-backoff=0s", *once, *args]

    def run_file(self, messages, *args, code=0):
        """(the summary, what was emitted to the output `done`, standard error)"""
        out = os.path.join(self.folder, "out")
        done = run_program(
            "queuereader", *self.args("--source=file:" + self.messages(messages),
                                      "--summary-format=json", "--output=done=file:" + out,
                                      "--output=names=file:" + out + ".names", *args))
        self.assertEqual(done.returncode, code, done.stderr)
        with open(out) as file:
            emitted = [json.loads(line) for line in file]
        return json.loads(done.stdout.splitlines()[-1]), emitted, done.stderr

    def set_aside(self, queuename="default"):
        folder = os.path.join(self.failed, queuename)
        found = []
        for name in os.listdir(folder) if os.path.isdir(folder) else []:
            with open(os.path.join(folder, name)) as file:
                found.append(json.load(file))
        return found

    def test_each_answer_has_its_effect(self):
        acts = ["ok", "throw", "print", "false", "drop", "retry", "ok"]
        summary, emitted, stderr = self.run_file(
            [{"n": n, "does": does} for n, does in enumerate(acts)],
            "--task=" + self.python(ACTS, "name=acts,"))
        self.assertEqual(emitted, [0, 2, 6])
        with open(os.path.join(self.folder, "out.names")) as file:
            self.assertEqual(file.read(), "number 0\nnumber 2\nnumber 6\n")
        self.assertEqual((summary["finished"], summary["dropped"], summary["given_up"]), (3, 1, 3))
        self.assertEqual(sorted(m["data"]["does"] for m in self.set_aside()),
                         ["false", "retry", "throw"])
        self.assertIn("acts: seen 2\n", stderr)  # what it prints
        self.assertIn("ValueError: no such thing", stderr)
        self.assertIn("Retry: busy", stderr)

    def test_an_end_and_a_hang_cost_one_message_a_try_and_the_others_nothing(self):
        does = {70: "exit", 140: "hang", 141: "exit", 1200: "exit", 1999: "exit"}
        messages = [{"n": n, "does": does.get(n)} for n in range(2000)]
        # A machine that stands still for so long makes more of them hang: it is asked again.
        for timeout in ("500ms", "3s", "15s"):
            summary, emitted, stderr = self.run_file(
                messages, "--task=" + self.python(ACTS, "name=acts,timeout=%s," % timeout))
            if stderr.count("did not answer within") <= 1:
                break
            shutil.rmtree(self.folder)
            os.mkdir(self.folder)
        self.assertEqual(emitted, [n for n in range(2000) if n not in does])
        self.assertEqual(sorted(m["data"]["n"] for m in self.set_aside()), sorted(does))
        self.assertEqual(summary["given_up"], len(does))
        self.assertIn("exited with 3 before it answered", stderr)
        self.assertIn("did not answer within " + timeout, stderr)

    def test_several_workers_share_the_messages_and_keep_the_order_of_what_is_emitted(self):
        messages = [{"n": n, "does": None} for n in range(500)]
        summary, emitted, _ = self.run_file(messages, "--task=" + self.python(ACTS, "workers=3,"))
        self.assertEqual(emitted, list(range(500)))
        self.assertEqual(summary["finished"], 500)

    def test_a_program_that_cannot_be_run_says_so(self):
        done = run_program("queuereader", *self.args(
            "--source=file:" + self.messages([{"n": 1}, {"n": 2}]), "--task=exec:exec no-such-program"))
        self.assertEqual(done.returncode, 1, done.stderr)
        self.assertIn("no-such-program: not found", done.stderr)
        self.assertIn("the command 'exec no-such-program' exited with 127 before it answered", done.stderr)
        self.assertEqual(self.set_aside(), [])
        done = run_program("queuereader", "--source=-", "--task=exec:worker=2,cat", input="")
        self.assertEqual(done.returncode, 2)
        self.assertIn("unknown option 'worker'", done.stderr)

    def test_a_program_that_never_answers_stops_the_reader_and_its_messages_go_back(self):
        with Daemon("simplequeue") as queue:
            for n in range(3):
                post(queue.url("/put"), b'{"n":%d}' % n)
            done = run_program("queuereader", *self.args(
                "--source=" + queue.url(), "--task=exec:name=mine,exit 3"))
            self.assertEqual(done.returncode, 1, done.stderr)
            self.assertIn("task mine cannot go on: the command 'exit 3' exited with 3", done.stderr)
            self.assertEqual(self.set_aside(), [])
            done = run_program("queuereader", *self.args(
                "--source=" + queue.url(), "--exit-when-empty=0s", "--task=print"))
            self.assertEqual(sorted(json.loads(line)["n"] for line in done.stdout.splitlines()[:3]), [0, 1, 2])

    def test_a_program_does_not_outlive_a_reader_that_is_killed(self):
        pid_file = os.path.join(self.folder, "pid")
        program = self.path("stays.py", "import os, time\nopen(%r, 'w').write('%%d\\n' %% os.getpid())\n"
                                        "while True: time.sleep(1000)\n" % pid_file)
        command = "%s -B %s" % (sys.executable, program)
        for before, signals in (("", [signal.SIGKILL]), ("true; ", [signal.SIGTERM] * 2)):
            reader = Daemon("queuereader", *self.args(
                "--source=file:" + self.messages([{"n": 1}]), "--task=exec:" + before + command))
            try:
                wait_until(lambda: os.path.exists(pid_file) and open(pid_file).read().endswith("\n"))
                pid = int(open(pid_file).read())
                self.assertTrue(lives(pid))
                os.kill(reader.pid, signals[0])
                if len(signals) > 1:
                    wait_until(lambda: again(reader, signals[1]))
                wait_until(lambda: not lives(pid))
            finally:
                reader.kill()
            os.remove(pid_file)

    def test_the_helper_tells_of_any_exception_and_keeps_what_was_counted(self):
        source = ("from rivulet_task import count, run, task\n@task\ndef act(message):\n"
                  "    count('seen')\n    raise ValueError('\\ud800')\nrun()\n")
        summary, _, stderr = self.run_file([{"n": 1}, {"n": 2}], "--task=" + self.python(source))
        self.assertIn("ValueError: ?", stderr)
        self.assertEqual(summary["tasks"][0]["counters"], {"seen": 2})

    def test_a_program_may_alter_messages_before_the_tasks(self):
        done = run_program(
            "queuereader", *self.args("--source=file:" + self.messages([{"x": 3}, {"x": 5}]),
                                      "--preprocess=" + self.python(HALVES), "--task=print"))
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual([json.loads(line) for line in done.stdout.splitlines()[:2]],
                         [{"x": 1.5}, {"x": 2.5}])

    def test_a_message_with_newlines_between_its_tokens_is_one_line(self):
        with Daemon("simplequeue") as queue:
            post(queue.url("/put"), b'{"n":\n7,\n"does":"print"}')
            reader = Daemon("queuereader", *self.args(
                "--source=" + queue.url(), "--task=" + self.python(ACTS, "name=acts,"),
                "--output=done=file:-", "--output=names=file:/dev/null"))
            with reader:
                reader.wait_for_line("^7$")
                reader.wait_for_log("acts: seen 7\n")

    def test_state_is_exact_though_reader_and_program_are_killed(self):
        count = 1500
        checkpoint = os.path.join(self.folder, "state")
        args = self.args("--source=file:" + self.messages([{"x": x} for x in range(count)]),
                         "--task=" + self.python(SUMS, "name=sums,state=yes,"),
                         "--max-tries=9", "--checkpoint-every=20ms", "--checkpoint-dir=" + checkpoint)
        for victim in ("reader", "program", "reader"):
            reader = Daemon("queuereader", *args)
            try:
                written = newest(checkpoint)
                wait_until(lambda: newest(checkpoint) != written or not reader.running())
                program = children(reader.pid)
                if victim == "program" and program:
                    os.kill(program[0], signal.SIGKILL)
                    written = newest(checkpoint)
                    wait_until(lambda: newest(checkpoint) != written or not reader.running())
            finally:
                reader.kill()
        done = run_program("queuereader", *args)
        self.assertEqual(done.returncode, 0, done.stderr)
        found = []
        for name in os.listdir(checkpoint):
            with open(os.path.join(checkpoint, name), "rb") as file:
                found += re.findall(rb'\{"sum": [0-9]+, "seen": [0-9]+\}', file.read())
        self.assertEqual([json.loads(state) for state in found],
                         [{"sum": count * (count - 1) // 2, "seen": count}])

    def test_the_helper_is_no_longer_than_it_says(self):
        with open(os.path.join(HELPER, "rivulet_task.py")) as file:
            self.assertLessEqual(len(file.readlines()), 40)


def lives(pid):
    try:
        with open("/proc/%d/stat" % pid) as file:
            return file.read().rsplit(") ", 1)[1][0] != "Z"
    except OSError:
        return False


def again(reader, number):
    """Sends the signal as long as there is who takes it: two that come together are one."""
    if reader.running():
        os.kill(reader.pid, number)
    return not reader.running()


def children(pid):
    """The processes that `pid` has started."""
    found = []
    for task in os.listdir("/proc/%d/task" % pid) if os.path.isdir("/proc/%d" % pid) else []:
        try:
            with open("/proc/%d/task/%s/children" % (pid, task)) as file:
                found += [int(child) for child in file.read().split()]
        except OSError:
            pass
    return found


def newest(folder):
    """When a file of the folder was written last."""
    try:
        return max((os.stat(os.path.join(folder, name)).st_mtime_ns for name in os.listdir(folder)),
                   default=0)
    except FileNotFoundError:
        return 0


if __name__ == "__main__":
    unittest.main()
