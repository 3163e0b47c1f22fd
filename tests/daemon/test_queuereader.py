"""queuereader as a real process: files, standard input, wrong starts."""

import json
import os
import signal
import subprocess
import unittest

import harness
from harness import run_program
from reader_case import ReaderCase

SANITIZED = True


class FilesAndStdin(ReaderCase):
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
        self.assertEqual(process.wait(30), 0)

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
        self.assertEqual(process.wait(30), 0)

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


class WrongStarts(ReaderCase):
    def test_wrong_options_exit_2_with_one_line_that_says_what_would_be_right(self):
        for args, says in (
                ((), "--source is missing"),
                (("--source=-",), "--task is missing: it must be one of bandit, count, distinct, drift, ewma, fail, graph, histogram, keep, moments, print, "),
                (("--source=ftp://x", "--task=count"), "must be http://HOST:PORT, file:PATH or -"),
                (("--source=file:", "--task=count"), "must be http://HOST:PORT"),
                (("--source=-", "--source=http://127.0.0.1:1", "--task=count"), "not both"),
                (("--source=-", "--task=momnets"), "bandit, count, distinct, drift, ewma, fail, graph, histogram, keep, moments, print, "),
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
                (("--source=-", "--task=count", "--mget-items=100001"), "--mget-items"),
                (("--source=http://127.0.0.1:1", "--task=count", "--lease=50ms"), "at least 100ms"),
                (("--source=-", "--task=count", "--checkpoint-every=1s"), "goes with --checkpoint-dir"),
                (("--source=-", "--task=count", "--checkpoint-dir=x", "--checkpoint-every=0"), "a number of messages"),
                (("--source=-", "--task=count", "--checkpoint-dir=x", "--checkpoint-name=../x"), "--checkpoint-name"),
                (("--source=-", "--task=count", "--store=redis://127.0.0.1/x"), "redis://127.0.0.1/x"),
                (("--source=-", "--task=count", "--output=alerts"), "--output"),
                (("--source=-", "--task=count", "--output=a=ftp://x/"), "--output"),
                (("--source=-", "--task=exec:"), "exec:"),
                (("--source=-", "--task=exec:workers=0,cat"), "workers"),
                (("--source=-", "--task=count", "--preprocess=nothing"), "--preprocess"),
                (("--source=-", "--task=count", "--validate=keep:field=x,above=high"), "--validate"),
                (("--source=-", "--task=count", "--task-timeout=soon"), "--task-timeout"),
                (("--source=-", "--task=count", "--task-memory=much"), "--task-memory"),
                (("--source=-", "--task=count", "--http-address=nowhere:1"), "--http-address"),
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

    def test_help_and_version(self):
        done = run_program("queuereader", "--help")
        self.assertEqual(done.returncode, 0)
        self.assertIn("--requeue-giveup", done.stdout)
        self.assertEqual(run_program("queuereader", "--version").returncode, 0)


if __name__ == "__main__":
    unittest.main()
