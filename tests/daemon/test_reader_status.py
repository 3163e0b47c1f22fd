"""What a reader shows of itself: over HTTP, and on a terminal."""

import os
import pty
import re
import subprocess
import tempfile
import threading
import unittest
import urllib.parse

from harness import Daemon, free_port, get, post, program_path, request, wait_until

SANITIZED = True

# A program that answers nothing before the file is there.
SLOW = "exec:name=slow,while read m; do while [ ! -e %s ]; do sleep .02; done; echo '{\"ok\":true}'; done"


class StatusCase(unittest.TestCase):
    def setUp(self):
        self.folder = self.enterContext(tempfile.TemporaryDirectory())

    def path(self, name):
        return os.path.join(self.folder, name)

    def daemon(self, name, *args, **named):
        daemon = Daemon(name, *args, **named)
        self.addCleanup(daemon.kill)
        return daemon

    def reader(self, source, *args):
        return self.daemon("queuereader", "--source=" + source, "--http-address=127.0.0.1:0",
                           "--failed-message-dir=" + self.path("failed"), *args, listens=True)


class Http(StatusCase):
    def test_what_was_done_is_told_by_task_in_text_json_and_metrics(self):
        queue = self.daemon("simplequeue")
        lines = ['{"x":%d,"word":"w%d"}' % (i, i % 3) for i in range(20)] + ["{"]
        post(queue.url("/mput"), "\n".join(lines))
        reader = self.reader(queue.url(), "--task=moments:field=x", "--task=top:field=word")
        wait_until(lambda: reader.stats()["messages"] == 21, 20)
        wait_until(lambda: reader.stats()["in_hand"] == 0, 20)
        stats = reader.stats()
        self.assertEqual({key: stats[key] for key in ("finished", "dropped", "requeued", "given_up",
                                                      "malformed", "failed_count", "checkpoints")},
                         {"finished": 20, "dropped": 0, "requeued": 0, "given_up": 0,
                          "malformed": 1, "failed_count": 1, "checkpoints": 0})
        self.assertIn(queue.url(), stats["source"])
        self.assertIsNone(stats["current"])
        self.assertEqual([task["name"] for task in stats["tasks"]],
                         ["moments:field=x", "top:field=word"])
        for task in stats["tasks"]:
            self.assertEqual([task[key] for key in ("done", "failed", "retried", "given_up")],
                             [20, 0, 0, 0])
            self.assertGreater(task["p99_seconds"], 0)
            self.assertGreaterEqual(task["p99_seconds"], task["p50_seconds"])
        text = get(reader.url("/stats")).text
        self.assertIn("\nmessages: 21\nfinished: 20\n", text)
        self.assertIn("\ntask: top:field=word\n  done: 20\n", text)
        metrics = get(reader.url("/metrics")).text
        self.assertIn('\nrivulet_reader_messages_total{outcome="malformed"} 1\n', metrics)
        self.assertIn('\nrivulet_reader_task_runs_total{task="moments:field=x",outcome="done"} 20\n',
                      metrics)
        self.assertIn('\nrivulet_reader_task_seconds_count{task="top:field=word"} 20\n', metrics)
        self.assertEqual(get(reader.url("/ping")).text, "OK")
        reader.stop()

    def test_tasks_show_their_state(self):
        queue = self.daemon("simplequeue")
        post(queue.url("/mput"), "\n".join('{"x":%d,"word":"<b>&"}' % x for x in (1, 2, 3)))
        reader = self.reader(queue.url(), "--task=moments:field=x", "--task=top:field=word")
        wait_until(lambda: reader.stats()["finished"] == 3, 20)
        page = get(reader.url("/tasks"))
        self.assertIn("script-src 'self'", page.header("Content-Security-Policy"))
        self.assertIn("/page/tasks.js", page.text)
        self.assertEqual(get(reader.url("/page/tasks.js")).status, 200)
        tasks = get(reader.url("/tasks?format=json")).json()["tasks"]
        self.assertEqual({task["name"]: task["views"] for task in tasks},
                         {"moments:field=x": ["json", "text", "svg"],
                          "top:field=word": ["json", "text", "svg"]})
        moments = reader.url("/tasks/" + urllib.parse.quote("moments:field=x", safe=""))
        self.assertEqual(get(moments).json()["count"], 3)
        self.assertEqual(get(moments).json()["mean"], 2)
        self.assertRegex(get(moments + "?view=text").text, r"(?m)^  mean +2$")
        head = request("HEAD", moments)
        self.assertEqual((head.status, head.body), (200, b""))
        svg = get(reader.url("/tasks/top:field=word?view=svg"))
        self.assertEqual(svg.header("Content-Type"), "image/svg+xml")
        self.assertIn("sandbox", svg.header("Content-Security-Policy"))
        self.assertEqual(svg.header("X-Content-Type-Options"), "nosniff")
        self.assertIn("&lt;b&gt;&amp;", svg.text)
        self.assertEqual(get(moments + "?view=dot").status, 404)
        self.assertIn("moments:field=x", get(reader.url("/tasks/none")).text)
        reader.stop()

    def test_a_task_that_takes_its_time_is_named_and_holds_nothing_else_up(self):
        queue = self.daemon("simplequeue")
        get(queue.url("/put?data=1&queue=clicks"))
        reader = self.reader(queue.url(), "--queuename=clicks",
                             "--task=" + SLOW % self.path("go"))
        wait_until(lambda: reader.stats()["current"], 20)
        self.assertEqual(get(reader.url("/ping")).text, "OK")
        answer = get(reader.url("/tasks/slow"))
        self.assertEqual(answer.status, 503)
        self.assertRegex(answer.text, r"^task slow has been at work for \d+ s on "
                         + re.escape(queue.url()) + r" queue clicks message \d+")
        self.assertIn("slow", reader.stats()["current"]["task"])
        with open(self.path("go"), "w"):
            pass
        wait_until(lambda: reader.stats()["finished"] == 1, 20)
        self.assertEqual(get(reader.url("/tasks/slow")).status, 200)
        reader.stop()

    def test_a_source_that_is_away_is_told_until_it_is_back(self):
        port = free_port()
        reader = self.reader("http://127.0.0.1:%d" % port, "--task=count",
                             "--sleeptime-failed-queue=50ms")
        wait_until(lambda: get(reader.url("/ping")).status == 503, 20)
        self.assertIn("the source cannot be asked: ", get(reader.url("/ping")).text)
        self.assertEqual(reader.stats()["state"], "source away")
        queue = self.daemon("simplequeue", "--port=%d" % port)
        get(queue.url("/put?data=1"))
        wait_until(lambda: get(reader.url("/ping")).text == "OK", 20)
        reader.stop()

    def test_a_token_is_asked_for(self):
        with open(self.path("token"), "w", opener=lambda path, flags: os.open(path, flags, 0o600)) as file:
            file.write("s3cret\n")
        queue = self.daemon("simplequeue")
        reader = self.reader(queue.url(), "--task=count",
                             "--http-auth-token-file=" + self.path("token"))
        for path in ("/stats", "/tasks", "/tasks/count", "/metrics"):
            self.assertEqual(get(reader.url(path)).status, 401)
            self.assertEqual(get(reader.url(path + "?token=s3cret")).status, 200)
        reader.stop()


class Terminal(StatusCase):
    """The line of progress, on a terminal of the test's own."""

    def run_on_terminal(self, *args, stdout_too=False):
        """Starts a reader of standard input whose standard error is a terminal; what comes there is
        gathered in self.seen."""
        master, slave = pty.openpty()
        process = subprocess.Popen(
            [program_path("queuereader"), "--source=-", "--failed-message-dir=" + self.path("failed"),
             *args],
            stdin=subprocess.PIPE, stderr=slave, stdout=slave if stdout_too else subprocess.PIPE)
        os.close(slave)
        self.seen = b""

        def gather():
            while True:
                try:
                    data = os.read(master, 65536)
                except OSError:
                    return  # nobody has the terminal any more
                if not data:
                    return
                self.seen += data

        reader = threading.Thread(target=gather, daemon=True)
        reader.start()

        def end():
            if process.stdin and not process.stdin.closed:
                process.stdin.close()
            process.wait(30)
            if process.stdout:
                process.stdout.close()
            reader.join(10)
            os.close(master)
            self.assertEqual(process.returncode, 0)

        return process, end

    def test_a_line_is_written_over_and_goes_at_the_end(self):
        process, end = self.run_on_terminal("--task=count")
        process.stdin.write(b"{}\n{}\n")
        process.stdin.flush()
        wait_until(lambda: b"\r\x1b[K2 messages  " in self.seen, 20)
        end()
        # Whatever else is written erases it first, and nothing of it is left.
        shown = self.seen.split(b"\r\x1b[K")
        for line in shown:
            self.assertFalse(b" messages  " in line and b" INFO " in line, line)
        self.assertNotIn(b"/s", shown[-1])

    def test_it_can_be_turned_off_and_leaves_a_printing_task_its_terminal(self):
        for args, stdout_too in ((["--task=count", "--progress=false"], False),
                                 (["--task=print"], True)):
            process, end = self.run_on_terminal(*args, "--stats-interval=300ms", stdout_too=stdout_too)
            process.stdin.write(b'{"a":1}\n')
            process.stdin.flush()
            # Two reports: more time than two lines of progress take.
            wait_until(lambda: self.seen.count(b"1 messages, ") >= 2, 20)
            end()
            self.assertNotIn(b"\x1b[K", self.seen)


if __name__ == "__main__":
    unittest.main()
