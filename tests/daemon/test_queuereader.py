"""queuereader as a real process: files, standard input, a scripted simplequeue and the real one."""

import json
import os
import re
import signal
import socket
import subprocess
import tempfile
import threading
import time
import unittest
import urllib.parse

import harness
from harness import Daemon, Sink, get, post, run_program, wait_until

SANITIZED = True

PLUGIN = """
#include <stdexcept>
#include "queuereader/task.h"
struct Picky : rivulet::Task {
  explicit Picky(rivulet::TaskArgs& args) : field(args.Text("field", "x")) {}
  rivulet::Outcome Run(const rivulet::Message& message) override {
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
  rivulet::Outcome Run(const rivulet::Message& message) override {
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
                    return 200, b"".join(b"%d\n%s\n" % (len(m), m) for m in taken)
                end = b"\n" if len(taken) < items else b""  # as the original
                return 200, b"\n".join(taken) + (end if taken else b"")
            return 404

    def targets(self):
        with self.lock:
            return [r.target for r in self.requests]


class QueuereaderTest(unittest.TestCase):
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
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name
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


class FilesAndStdin(QueuereaderTest):
    def test_stdin_ends_with_a_summary(self):
        done = run_program("queuereader", *self.args("--source=-", "--task=count"),
                           input='{"a":1}\n\n{"_heartbeat_":1}\r\n{"a":2}')
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertRegex(done.stdout, r"^3 messages from standard input in ")
        self.assertRegex(done.stdout, r"messages +2\n +heartbeats +1\n")

    def test_files_are_read_one_after_the_other(self):
        first = self.path("first", '{"n":1}\n{"n":2}\n')
        second = self.path("second", '{"n":3}')
        done = run_program("queuereader", *self.args(
            "--source=file:" + first, "--source=file:" + second, "--task=print"))
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(done.stdout.splitlines()[:3], ['{"n":1}', '{"n":2}', '{"n":3}'])

    def test_an_empty_input_is_a_summary_of_nothing(self):
        for source in ("-", "file:/dev/null", "file:" + self.path("empty")):
            with self.subTest(source):
                self.assertEqual(self.run_json("--source=" + source, "--task=count",
                                               input="")["messages"], 0)

    def test_a_slow_pipe_is_read_as_it_comes(self):
        process = subprocess.Popen(
            [harness.program_path("queuereader"), *self.args("--source=-", "--task=print")],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        self.addCleanup(process.kill)
        for piece, line in ((b'{"a"', None), (b':1}\n{"a":2}\n', b'{"a":1}\n'), (b"", b'{"a":2}\n')):
            process.stdin.write(piece)
            process.stdin.flush()
            if line:
                self.assertEqual(process.stdout.readline(), line)
        process.stdin.close()
        self.assertIn(b"2 messages", process.stdout.read())
        process.stdout.close()
        self.assertEqual(process.wait(10), 0)

    def test_many_messages_over_many_blocks_are_counted_exactly(self):
        lines = "".join('{"n":%d,"pad":"%s"}\n' % (i, "x" * (i % 300)) for i in range(20000))
        summary = self.run_json("--source=-", "--task=count", input=lines)
        self.assertEqual((summary["messages"], summary["finished"]), (20000, 20000))

    def test_malformed_lines_are_set_aside_byte_for_byte(self):
        path = self.path("in", b'{"a":1}\n{"a":\n\xff\xfe\n{"data":1,"tries":"x"}\n{"a":2}\n')
        summary = self.run_json("--source=file:" + path, "--task=count")
        self.assertEqual((summary["finished"], summary["malformed"]), (2, 3))
        self.assertEqual(self.set_aside(),
                         {"malformed": [b'{"a":', b"\xff\xfe", b'{"data":1,"tries":"x"}']})

    def test_retries_drops_and_give_ups_of_a_task_in_a_shared_object(self):
        summary = self.run_json(
            "--source=-", "--task=count", self.plugin("picky"), "--max-tries=3",
            input='{"x":1}\n{"x":13}\n{"x":-1}\n{"y":1.50}\n{"x":2}\n')
        # 13 is done at its third try; y fails three times; -1 is dropped.
        self.assertEqual(
            {k: summary[k] for k in ("messages", "finished", "dropped", "requeued", "given_up")},
            {"messages": 9, "finished": 3, "dropped": 1, "requeued": 4, "given_up": 1})
        count, picky = summary["tasks"]
        self.assertEqual(count["summary"]["messages"], 5)  # done tasks are not run again
        self.assertEqual(picky["name"], "picky")
        self.assertEqual(picky["summary"]["sum"], 16)
        (given_up,) = self.set_aside()["json"]
        self.assertIn(b'{"data":{"y":1.50},"tries":3,"retry_on":null,"started":', given_up)
        self.assertEqual(json.loads(given_up)["tasks_left"], ["picky"])

    def test_the_arguments_of_a_plugin_reach_it(self):
        summary = self.run_json("--source=-", self.plugin("picky", ":field=geo.y,name=p"),
                                input='{"geo":{"y":5}}\n')
        self.assertEqual(summary["tasks"][0]["name"], "p")
        self.assertEqual(summary["tasks"][0]["summary"]["sum"], 5)

    def test_a_given_up_file_put_back_is_tried_once_more(self):
        self.run_json("--source=-", self.plugin("picky"), "--max-tries=2", input='{"y":1}\n')
        (given_up,) = self.set_aside()["json"]
        summary = self.run_json("--source=-", self.plugin("picky"), "--max-tries=2",
                                input=given_up.decode())
        self.assertEqual((summary["messages"], summary["given_up"]), (1, 1))

    def test_the_give_up_task_runs(self):
        done = run_program("queuereader", *self.args(
            "--source=-", self.plugin("picky"), "--max-tries=2", "--requeue-giveup=print"),
            input='{"y":1}\n')
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(done.stdout.splitlines()[0], '{"y":1}')

    def test_moments_and_top(self):
        lines = [{"t": 10, "hc": 8, "c": "US"}, {"t": 20, "hc": 16, "c": "US"},
                 {"t": 30, "hc": 24, "c": "BR"}, {"_heartbeat_": 1}, {"t": "x", "hc": 1, "c": 7}]
        summary = self.run_json("--source=-", "--task=moments:field=t,minus=hc",
                                "--task=top:field=c,k=2",
                                input="".join(json.dumps(line) + "\n" for line in lines))
        moments, top = (task["summary"] for task in summary["tasks"])
        self.assertEqual((moments["count"], moments["skipped"]), (3, 2))
        self.assertAlmostEqual(moments["mean"], 4)      # of 2, 4, 6
        self.assertAlmostEqual(moments["stddev"], 2)    # the sample's: sqrt(8 / 2)
        self.assertAlmostEqual(moments["skewness"], 0)
        self.assertEqual(top["skipped"], 1)
        self.assertEqual((top["top"][0]["value"], top["top"][0]["count"]), ("US", 2))

    def test_sigterm_at_a_waiting_stdin_exits_0_with_a_summary(self):
        process = subprocess.Popen(
            [harness.program_path("queuereader"), *self.args("--source=-", "--task=print")],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        self.addCleanup(process.stdin.close)
        process.stdin.write(b"1\n")
        process.stdin.flush()
        self.assertEqual(process.stdout.readline(), b"1\n")
        process.send_signal(signal.SIGTERM)
        self.assertIn(b"1 messages from standard input", process.stdout.read())
        process.stdout.close()
        self.assertEqual(process.wait(10), 0)

    def test_the_real_clicks(self):
        path = os.path.join(harness.ROOT, "..", "shared", "data", "usagov_clicks.jsonl")
        if not os.path.exists(path):
            self.skipTest("usagov_clicks.jsonl is not there")
        with open(path) as file:
            lines = [json.loads(line) for line in file]
        ages = [line["t"] - line["hc"] for line in lines if "t" in line]
        mean = sum(ages) / len(ages)
        m2 = sum((age - mean) ** 2 for age in ages)
        countries = {}
        for line in lines:
            if isinstance(line.get("c"), str):
                countries[line["c"]] = countries.get(line["c"], 0) + 1
        summary = self.run_json("--source=file:" + path, "--task=count",
                                "--task=moments:field=t,minus=hc", "--task=top:field=c,k=3")
        count, moments, top = (task["summary"] for task in summary["tasks"])
        self.assertEqual((count["messages"], count["heartbeats"]), (3440, 120))
        self.assertEqual((moments["count"], moments["skipped"]), (3440, 120))
        self.assertAlmostEqual(moments["mean"] / mean, 1, places=12)
        self.assertAlmostEqual(moments["stddev"] / (m2 / (len(ages) - 1)) ** 0.5, 1, places=12)
        expected = sorted(countries.items(), key=lambda item: -item[1])[:3]
        self.assertEqual([(row["value"], row["count"]) for row in top["top"]], expected)


class Queues(QueuereaderTest):
    def test_messages_of_a_queue_are_run_in_order(self):
        with ScriptedQueue([{"n": i} for i in range(250)]) as queue:
            with self.reader("--source=" + queue.url(), "--task=print") as reader:
                reader.wait_for_line(r'\{"n": 249\}')
            self.assertEqual([json.loads(line)["n"] for line in reader.stdout().splitlines()],
                             list(range(250)))
            self.assertEqual(queue.messages, [])
            self.assertIn("/mget?items=100&format=framed", queue.targets())

    def test_exit_when_empty_ends_with_a_summary(self):
        with ScriptedQueue([{"n": i} for i in range(7)]) as queue:
            summary = self.run_json("--source=" + queue.url(), "--task=count",
                                    "--sleeptime-queue-empty=10ms", "--exit-when-empty=50ms")
            self.assertEqual(summary["finished"], 7)

    def test_a_failed_task_alone_is_retried_through_the_queue(self):
        with ScriptedQueue([{"x": 13}]) as queue:
            summary = self.run_json(
                "--source=" + queue.url(), "--task=count", self.plugin("picky"),
                "--requeue-delay=50ms", "--sleeptime-queue-empty=10ms", "--exit-when-empty=50ms")
            puts = [json.loads(r.body) for r in queue.requests if r.target == "/put"]
        self.assertEqual([put["tries"] for put in puts], [1, 2])
        for put in puts:
            self.assertEqual(list(put), ["data", "tries", "retry_on", "started", "tasks_left"])
            self.assertEqual(put["data"], {"x": 13})
            self.assertEqual(put["tasks_left"], ["picky"])
            self.assertLess(abs(put["retry_on"] - time.time()), 60)
        self.assertEqual(summary["tasks"][0]["summary"]["messages"], 1)
        self.assertEqual((summary["finished"], summary["requeued"]), (1, 2))

    def test_a_message_that_is_not_due_is_held_without_spinning_and_given_back(self):
        early = {"data": {"n": 1}, "tries": 1, "retry_on": int(time.time()) + 1000,
                 "started": 5, "tasks_left": ["print"]}
        with ScriptedQueue([early]) as queue:
            with Daemon("queuereader", *self.args(
                    "--source=" + queue.url(), "--task=print",
                    "--sleeptime-queue-empty=200ms")) as reader:
                wait_until(lambda: len(queue.targets()) >= 4)
                self.assertEqual(queue.messages, [])
                self.assertNotIn("/put", queue.targets())
                self.assertLess(reader.cpu_seconds(), 0.5)
            self.assertEqual(reader.stdout(), "")
            self.assertEqual([json.loads(m) for m in queue.messages], [early])

    def test_sigterm_puts_the_rest_back_exactly(self):
        messages = [b'{"n":%d, "sleep_ms": 20}' % i for i in range(300)]
        with ScriptedQueue(messages) as queue:
            with self.reader("--source=" + queue.url(), self.plugin("sleepy"), "--task=print"
                             ) as reader:
                reader.wait_for_line(r'"n":5,')
            done = reader.stdout().splitlines()
            self.assertLess(len(done), 250)
            back = [m.decode() for m in queue.messages]
        # Nothing lost, nothing twice; what came back is untouched. A queue's tail comes first: what
        # the reader had not fetched yet.
        self.assertEqual(sorted(done + back), sorted(m.decode() for m in messages))
        self.assertEqual(done, [m.decode() for m in messages][:len(done)])

    def test_a_second_sigterm_ends_a_hanging_task_at_once_with_1(self):
        with ScriptedQueue([{"sleep_ms": 600000}]) as queue:
            reader = self.reader("--source=" + queue.url(), "--task=print", self.plugin("sleepy"))
            try:
                reader.wait_for_line("600000")
                reader.signal(signal.SIGTERM)
                time.sleep(0.1)  # the task in hand goes on: nothing to wait for but that it does
                self.assertTrue(reader.running())
                reader.signal(signal.SIGTERM)
                self.assertEqual(reader.wait(), 1)
            finally:
                reader.kill()

    def test_sigterm_early_and_often_exits_0_and_loses_nothing(self):
        with ScriptedQueue() as queue:
            for i in range(15):
                queue.messages = [b"%d" % n for n in range(500)]
                reader = Daemon("queuereader", *self.args(
                    "--source=" + queue.url(), "--task=print", "--mget-items=50",
                    "--sleeptime-queue-empty=1ms"))
                wait_until(lambda: len(queue.messages) < 500 - 20 * i)
                self.assertEqual(reader.stop(), 0)
                all_of_them = reader.stdout().split() + [m.decode() for m in queue.messages]
                self.assertEqual(sorted(all_of_them, key=int), [str(n) for n in range(500)])

    def test_invalid_json_is_set_aside(self):
        with ScriptedQueue([b'{"a":', b"a\nb\n", b"\0", b"1"]) as queue:
            summary = self.run_json("--source=" + queue.url("/?token=s3cret"), "--task=count",
                                    "--queuename=clicks", "--exit-when-empty=0s")
            self.assertIn("/mget?items=100&format=framed&queue=clicks&token=s3cret",
                          queue.targets())
        self.assertEqual((summary["finished"], summary["malformed"]), (1, 3))
        self.assertNotIn("s3cret", summary["source"])
        self.assertEqual(self.set_aside("clicks"), {"malformed": [b'{"a":', b"a\nb\n", b"\0"]})

    def test_a_queue_that_does_not_frame_is_read_by_lines(self):
        for count in (2, 5):  # with and without the last separator, as the original answers
            with ScriptedQueue([{"n": i} for i in range(count)], framed=False) as queue:
                summary = self.run_json("--source=" + queue.url(), "--task=count",
                                        "--mget-items=5", "--exit-when-empty=0s")
                self.assertEqual((summary["finished"], summary["malformed"]), (count, 0))

    def test_the_next_source_is_read_when_one_fails(self):
        with ScriptedQueue() as first, ScriptedQueue([{"x": 13}]) as second:
            first.down = True
            with self.reader("--source=" + first.url(), "--source=" + second.url(),
                             "--task=print", self.plugin("picky"), "--requeue-delay=20ms"
                             ) as reader:
                reader.wait_for_line('"x": 13')
                # A retry goes back to where its message came from.
                wait_until(lambda: second.targets().count("/put") == 2)
                self.assertNotIn("/put", first.targets())
                # The first one is read again when it is back.
                first.messages.append(b'{"x":1}')
                first.down = False
                reader.wait_for_line('"x":1}')

    def test_a_retry_goes_to_the_other_source_when_its_own_is_gone(self):
        first, second = ScriptedQueue([{"y": 1}]), ScriptedQueue()
        with first, second:
            first.put_status = 503
            with self.reader("--source=" + first.url(), "--source=" + second.url(),
                             self.plugin("picky"), "--requeue-delay=20ms", "--max-tries=2"):
                wait_until(lambda: self.set_aside().get("json"))
            self.assertIn("/put", second.targets())

    def test_a_source_that_is_not_there_yet_is_awaited(self):
        port = harness.free_port()
        with self.reader("--source=http://127.0.0.1:%d" % port, "--task=print") as reader:
            wait_until(lambda: "next try in 50ms" in reader.stderr())
            with Sink(lambda m, t, b: (200, b"1\n7\n"), port=port):
                reader.wait_for_line("^7$")

    def test_a_requeue_that_is_refused_for_good_is_set_aside(self):
        with ScriptedQueue([{"y": 1}]) as queue:
            queue.put_status = 413
            with self.reader("--source=" + queue.url(), self.plugin("picky")):
                wait_until(lambda: self.set_aside().get("json"))
        self.assertEqual(json.loads(self.set_aside()["json"][0])["data"], {"y": 1})

    def test_what_cannot_be_put_back_in_time_is_set_aside_with_status_1(self):
        with ScriptedQueue([{"n": i, "sleep_ms": 20} for i in range(30)]) as queue:
            queue.put_status = 503
            reader = self.reader("--source=" + queue.url(), self.plugin("sleepy"), "--task=print",
                                 "--drain-timeout=300ms")
            reader.wait_for_line('"n": 1,')
            self.assertEqual(reader.stop(expected=1), 1)
        aside = [json.loads(m)["n"] for m in self.set_aside()["json"]]
        done = [json.loads(line)["n"] for line in reader.stdout().splitlines()]
        self.assertEqual(sorted(done + aside), list(range(30)))

    def test_an_answer_that_breaks_off_gives_its_whole_messages(self):
        listener = socket.create_server(("127.0.0.1", 0))

        def serve():
            connection, _ = listener.accept()
            listener.close()
            connection.recv(65536)
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n1\n7\n1\n8\n5\n12")
            connection.close()

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        with self.reader("--source=http://127.0.0.1:%d" % listener.getsockname()[1],
                         "--task=print") as reader:
            reader.wait_for_line("^8$")
        self.assertEqual(reader.stdout(), "7\n8\n")

    def test_progress_and_heartbeat(self):
        heartbeat = os.path.join(self.folder, "heartbeat")
        with ScriptedQueue([{"n": 1}]) as queue:
            with self.reader("--source=" + queue.url(), "--task=count", "--stats-interval=20ms",
                             "--heartbeat-file=" + heartbeat) as reader:
                wait_until(lambda: re.search(r"1 messages, \d+/s; count: messages=1",
                                             reader.stderr()))
        self.assertTrue(os.path.exists(heartbeat))

    def test_the_real_simplequeue(self):
        with Daemon("simplequeue") as queue:
            for i in range(50):
                post(queue.url("/put"), json.dumps({"x": 13 if i % 10 == 0 else i, "n": "a\nb"}))
            post(queue.url("/put"), b"not json\n")
            summary = self.run_json(
                "--source=" + queue.url(), "--task=count", self.plugin("picky"),
                "--requeue-delay=20ms", "--sleeptime-queue-empty=10ms", "--exit-when-empty=50ms",
                "--mget-items=7")
            # Six messages hold 13 (0, 10, 20, 30, 40 and 13 itself) and fail twice.
            self.assertEqual(
                {k: summary[k] for k in ("finished", "requeued", "malformed", "given_up")},
                {"finished": 50, "requeued": 12, "malformed": 1, "given_up": 0})
            self.assertEqual(self.set_aside(), {"malformed": [b"not json\n"]})
            self.assertIn("depth:0\n", get(queue.url("/stats")).text)

    def test_sigterm_with_the_real_simplequeue_loses_nothing(self):
        with Daemon("simplequeue") as queue:
            for i in range(300):
                post(queue.url("/put?queue=slow"), b'{"n":%d,"sleep_ms":5}' % i)
            with self.reader("--source=" + queue.url(), "--queuename=slow", "--task=print",
                             self.plugin("sleepy"), "--mget-items=40") as reader:
                reader.wait_for_line('"n":20,')
            back = get(queue.url("/mget?items=1000&queue=slow")).text.split()
            self.assertEqual(sorted(back + reader.stdout().split()),
                             sorted('{"n":%d,"sleep_ms":5}' % i for i in range(300)))


class Example(unittest.TestCase):
    def test_the_simple_reader_prints_what_its_folder_says(self):
        examples = os.environ.get("RIVULET_EXAMPLES_DIR", os.path.join(
            harness.ROOT, "build", "release", "examples"))
        built = os.path.join(os.path.abspath(examples), "01_simple_reader")
        if not os.path.exists(os.path.join(built, "simple_reader")):
            self.skipTest("examples are not built (make examples)")
        harness.program_path("queuereader")
        folder = os.path.join(harness.ROOT, "examples", "01_simple_reader")
        done = subprocess.run([os.path.join(folder, "run.sh"), built], capture_output=True,
                              timeout=60, env={**os.environ, "RIVULET_BIN_DIR": harness.BIN_DIR})
        self.assertEqual(done.returncode, 0, done.stderr)
        with open(os.path.join(folder, "expected_output.txt"), "rb") as file:
            self.assertEqual(done.stdout, file.read())


class WrongStarts(QueuereaderTest):
    def test_wrong_options_exit_2_with_one_line_that_says_what_would_be_right(self):
        for args, says in (
                ((), "--source is missing"),
                (("--source=-",), "--task is missing: it must be one of count, moments, print, top"),
                (("--source=ftp://x", "--task=count"), "must be http://HOST:PORT, file:PATH or -"),
                (("--source=file:", "--task=count"), "must be http://HOST:PORT"),
                (("--source=-", "--source=http://127.0.0.1:1", "--task=count"), "not both"),
                (("--source=-", "--task=momnets"), "count, moments, print, top"),
                (("--source=-", "--task=count:x=1"), "unknown key 'x'"),
                (("--source=-", "--task=moments"), "needs field=VALUE"),
                (("--source=-", "--task=moments:field=t,minsu=hc"), "unknown key 'minsu'"),
                (("--source=-", "--task=top:field=c,k=0"), "k=0 must be a whole number"),
                (("--source=-", "--task=count", "--task=count"), "name=OTHER"),
                (("--source=-", "--task=./nowhere.so"), "nowhere.so"),
                (("--source=-", "--task=" + os.path.join(harness.ROOT, "Makefile") + ".so"), ""),
                (("--source=-", self.plugin("old")), "ABI version"),
                (("--source=-", "--task=count", "--requeue-giveup=x"), "--requeue-giveup"),
                (("--source=-", "--task=count", "--max-tries=0"), "--max-tries"),
                (("--source=-", "--task=count", "--max-tries=x"), "--max-tries"),
                (("--source=-", "--task=count", "--mget-items=0"), "--mget-items"),
                (("--source=-", "--task=count", "--requeue-delay=-1"), "--requeue-delay"),
                (("--source=-", "--task=count", "--max-backoff=soon"), "--max-backoff"),
                (("--source=-", "--task=count", "--sleeptime-queue-empty=x"), "--sleeptime-queue"),
                (("--source=-", "--task=count", "--sleeptime-failed-queue=x"), "--sleeptime-fail"),
                (("--source=-", "--task=count", "--drain-timeout=x"), "--drain-timeout"),
                (("--source=-", "--task=count", "--stats-interval=x"), "--stats-interval"),
                (("--source=-", "--task=count", "--exit-when-empty=1s"), "--exit-when-empty"),
                (("--source=-", "--task=count", "--queuename=../x"), "--queuename"),
                (("--source=-", "--task=count", "--queuename=.."), "--queuename"),
                (("--source=-", "--task=count", "--summary-format=xml"), "--summary-format"),
                (("--source=-", "--task=count", "--log-level=loud"), "--log-level"),
                (("--source=-", "--task=count", "--nonsense"), "nonsense"),
        ):
            with self.subTest(args):
                done = run_program("queuereader", *args)
                self.assertEqual(done.returncode, 2, done.stderr)
                self.assertIn(says, done.stderr)
                self.assertEqual(len(done.stderr.splitlines()), 1, done.stderr)
                self.assertEqual(done.stdout, "")

    def test_a_start_that_fails_exits_1_with_one_line(self):
        a_file = self.path("a_file", "x")
        for args, says in (
                (("--source=file:/nowhere/at/all",), "/nowhere/at/all"),
                (("--source=file:" + self.folder,), self.folder),
                (("--source=-", "--failed-message-dir=" + a_file), a_file),
        ):
            with self.subTest(args):
                done = run_program("queuereader", "--task=count", *args)
                self.assertEqual(done.returncode, 1, done.stderr)
                self.assertIn(says, done.stderr)
                self.assertEqual(len(done.stderr.splitlines()), 1, done.stderr)

    def test_a_message_that_cannot_be_set_aside_stops_the_reader_and_goes_back(self):
        with ScriptedQueue([b"1"]) as queue:
            reader = self.reader("--source=" + queue.url(), "--task=print")
            reader.wait_for_line("^1$")
            # A file takes the folder's name while the reader runs.
            with open(self.failed, "x"):
                pass
            queue.messages = [b"{", b"2"]
            self.assertEqual(reader.wait(), 1)
            self.assertIn("cannot set a message aside", reader.stderr())
            self.assertEqual(sorted(queue.messages), [b"2", b"{"])

    def test_help_and_version(self):
        done = run_program("queuereader", "--help")
        self.assertEqual(done.returncode, 0)
        self.assertIn("--requeue-giveup", done.stdout)
        self.assertEqual(run_program("queuereader", "--version").returncode, 0)


if __name__ == "__main__":
    unittest.main()
