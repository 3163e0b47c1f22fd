"""queuereader over files: the same as over a queue, and exactly once whatever kills it."""

import gzip
import json
import os
import signal
import subprocess
import tempfile
import unittest

from harness import IS_SANITIZED, Daemon, post, program_path, run_program, wait_until
from test_file_to_http import zstd_frame

SANITIZED = True


class FilesCase(unittest.TestCase):
    def setUp(self):
        program_path("queuereader")
        self.folder = self.enterContext(tempfile.TemporaryDirectory())

    def path(self, name, data=None):
        path = os.path.join(self.folder, name)
        if data is not None:
            with open(path, "wb") as file:
                file.write(data)
        return path

    def args(self, *args):
        return ["--failed-message-dir=" + self.path("failed"), "--max-backoff=0s",
                "--log-level=error", "--summary-format=json", *args]

    def read(self, *args, stdin=subprocess.DEVNULL, code=0):
        """(lines printed, summary) of a reader that ends by itself."""
        done = subprocess.run([program_path("queuereader"), *self.args(*args)], stdin=stdin,
                              capture_output=True, timeout=60)
        self.assertEqual(done.returncode, code, done.stderr.decode())
        *lines, last = done.stdout.splitlines()
        return lines, json.loads(last)

    def read_each(self, lines, *args):
        """{source: read()} of the same lines from a file, gzip, zstd, standard input and a queue."""
        data = b"".join(line + b"\n" for line in lines)
        results = {}
        for kind, content in (("plain", data), ("gzip", gzip.compress(data)), ("zstd", zstd_frame(data))):
            path = self.path(kind, content)
            results[kind] = self.read("--source=file:" + path, *args)
            with open(path, "rb") as file:
                results[kind + " on standard input"] = self.read("--source=-", *args, stdin=file)
        cat = subprocess.Popen(["cat", self.path("plain")], stdout=subprocess.PIPE)
        results["pipe"] = self.read("--source=-", *args, stdin=cat.stdout)
        cat.stdout.close()
        self.assertEqual(cat.wait(), 0)
        with Daemon("simplequeue") as queue:
            self.assertEqual(post(queue.url("/mput"), data).status, 200)
            results["queue"] = self.read("--source=" + queue.url(), "--exit-when-empty=0s", *args)
            stats = queue.stats()
            self.assertEqual((stats["depth"], stats["in_flight"], stats["deferred"]), (0, 0, 0))
        return results


def figures(summary):
    """What does not depend on the machine, nor on where the messages came from."""
    return {**{key: summary[key] for key in ("messages", "finished", "dropped", "requeued", "given_up",
                                             "malformed", "left")},
            "tasks": [(task["name"], task["done"], task["failed"], task["summary"])
                      for task in summary["tasks"]]}


class BatchIsStreamTest(FilesCase):
    def test_the_same_tasks_give_the_same_order_and_the_same_summary_from_every_source(self):
        lines = [b'{"n":%d,"x":%.3f,"c":"c%d"}' % (i, i * 0.37 % 1, i * i % 17) for i in range(3000)]
        lines[100] = b'{"no":"number"}'
        lines[200] = b'not JSON'
        lines[300] = b'[1,2]'
        results = self.read_each(
            lines, "--preprocess=keep:field=x,above=.25", "--validate=sample:rate=.5", "--task=print",
            "--task=count", "--task=sum:field=n", "--task=moments:field=x", "--task=top:field=c,k=3",
            "--mget-items=250")
        printed, summary = results.pop("plain")
        kept = [line for line in lines if line.startswith(b'{"n"') and json.loads(line)["x"] > .25]
        self.assertEqual([line for line in kept if line in set(printed)], printed)  # in order
        # Half of them, within five standard deviations of a binomial: 5 sqrt(n/4).
        self.assertAlmostEqual(len(printed), len(kept) / 2, delta=5 * (len(kept) / 4) ** .5)
        self.assertEqual((summary["messages"], summary["malformed"]), (3000, 1))
        self.assertEqual(summary["tasks"][2]["summary"]["sum"],
                         sum(json.loads(line)["n"] for line in printed))
        for source, (other_printed, other_summary) in results.items():
            with self.subTest(source):
                self.assertEqual(other_printed, printed)
                self.assertEqual(figures(other_summary), figures(summary))

    def test_retries_come_to_the_same_from_every_source(self):
        results = self.read_each([b'{"n":%d}' % i for i in range(1000)], "--task=sum:field=n",
                                 "--task=fail:rate=.2", "--task=print", "--max-tries=100",
                                 "--requeue-delay=0s")
        for source, (printed, summary) in results.items():
            with self.subTest(source):
                # Whatever is printed was done by that task once, though another failed.
                self.assertEqual(sorted(json.loads(line)["n"] for line in printed), list(range(1000)))
                self.assertEqual((summary["finished"], summary["given_up"]), (1000, 0))
                self.assertGreater(summary["requeued"], 100)
                self.assertEqual(summary["tasks"][0]["summary"],
                                 {"count": 1000, "skipped": 0, "sum": 499500})


class DamageTest(FilesCase):
    def test_what_is_whole_of_a_damaged_file_is_run_and_the_reader_ends_with_1(self):
        whole = gzip.compress(b"".join(b'{"n":%d}\n' % (i * 7919) for i in range(50000)))
        path = self.path("cut.gz", whole[:len(whole) // 2])
        done = run_program("queuereader", *self.args("--source=file:" + path, "--task=count"))
        self.assertEqual(done.returncode, 1)
        self.assertRegex(done.stderr, r"cut\.gz: gzip data ends too early, at byte %d" % (len(whole) // 2))
        summary = json.loads(done.stdout.splitlines()[-1])
        self.assertGreater(summary["messages"], 10000)
        self.assertEqual((summary["finished"], summary["left"]), (summary["messages"], 0))

    def test_a_file_that_goes_away_fails_by_name(self):
        missing = self.path("missing")
        done = run_program("queuereader", *self.args("--source=file:" + missing, "--task=count"))
        self.assertEqual(done.returncode, 1)
        self.assertIn(missing, done.stderr)


class ExactlyOnceTest(FilesCase):
    LINES = 60000 if IS_SANITIZED else 300000

    def count_under_kills(self, path, kills):
        """The summary of a reader that is killed so often in the middle, and ends in the end."""
        args = self.args("--source=file:" + path, "--checkpoint-dir=" + self.path("state"),
                         "--checkpoint-every=10ms", "--task=sum:field=n", "--task=count",
                         "--task=fail:rate=.001", "--max-tries=100", "--requeue-delay=0s")
        checkpoint = self.path("state/default.checkpoint")

        def written():
            return os.stat(checkpoint).st_mtime_ns if os.path.exists(checkpoint) else 0

        killed = 0
        while killed < kills:
            before = written()
            with tempfile.TemporaryFile() as out:
                reader = subprocess.Popen([program_path("queuereader"), *args], stdout=out,
                                          stderr=subprocess.DEVNULL)
                try:
                    wait_until(lambda: written() != before or reader.poll() is not None)
                    reader.send_signal(signal.SIGKILL)
                finally:
                    reader.kill()
                status = reader.wait()
            if status == 0:
                break  # it was faster than this test
            self.assertEqual(status, -signal.SIGKILL)
            killed += 1
        self.assertGreater(killed, 0)
        done = run_program("queuereader", *args)
        self.assertEqual(done.returncode, 0, done.stderr)
        return json.loads(done.stdout.splitlines()[-1])

    def check_exact(self, summary):
        total, count = (task["summary"] for task in summary["tasks"][:2])
        self.assertEqual(total, {"count": self.LINES, "skipped": 0,
                                 "sum": self.LINES * (self.LINES - 1) // 2})
        self.assertEqual(count["messages"], self.LINES)

    def test_a_reader_killed_in_the_middle_of_a_file_counts_each_line_once(self):
        data = b"".join(b'{"n":%d}\n' % i for i in range(self.LINES))
        self.check_exact(self.count_under_kills(self.path("plain", data), 4))

    def test_nor_does_a_compressed_one_count_a_line_twice(self):
        data = b"".join(b'{"n":%d}\n' % i for i in range(self.LINES))
        self.check_exact(self.count_under_kills(self.path("a.gz", gzip.compress(data, 1)), 2))

    def test_a_file_that_has_grown_is_read_on(self):
        path = self.path("log", b'{"n":1}\n{"n":2}\n')
        args = ("--source=file:" + path, "--checkpoint-dir=" + self.path("state"), "--task=sum:field=n",
                "--task=print")
        self.assertEqual(self.read(*args)[0], [b'{"n":1}', b'{"n":2}'])
        with open(path, "ab") as file:
            file.write(b'{"n":3}\n')
        printed, summary = self.read(*args)
        self.assertEqual(printed, [b'{"n":3}'])
        self.assertEqual(summary["tasks"][0]["summary"], {"count": 3, "skipped": 0, "sum": 6})

    def test_a_file_that_has_become_shorter_refuses_the_start(self):
        path = self.path("log", b'{"n":1}\n{"n":2}\n')
        args = self.args("--source=file:" + path, "--checkpoint-dir=" + self.path("state"), "--task=count")
        self.assertEqual(run_program("queuereader", *args).returncode, 0)
        self.path("log", b'{"n":1}\n')
        done = run_program("queuereader", *args)
        self.assertEqual(done.returncode, 1)
        self.assertIn(path + " has 8 bytes, had 16, and was read up to byte 16", done.stderr)


if __name__ == "__main__":
    unittest.main()
