"""The examples do what their texts say."""

import json
import math
import os
import signal
import subprocess
import tempfile
import unittest

from harness import BIN_DIR, ROOT, Daemon, Sink, post, program_path, wait_until

EXAMPLES_DIR = os.environ.get("RIVULET_EXAMPLES_DIR", os.path.join(ROOT, "build/release/examples"))
PUBLISHED = (200, b"Published 1 messages to 0 clients.\n")


def example(*path):
    found = os.path.join(EXAMPLES_DIR, *path)
    if not os.path.exists(found):
        raise unittest.SkipTest("%s is not built" % found)
    return found


def run(*command, input=None, timeout=60):
    return subprocess.run(command, capture_output=True, text=True, timeout=timeout, input=input)


class GenerateTest(unittest.TestCase):
    def generate(self, *args):
        done = run(example("clicks", "generate"), *args)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        return done.stdout

    def test_the_same_seed_gives_the_same_bytes_and_another_seed_others(self):
        first = self.generate("--count=200", "--seed=5")
        self.assertEqual(first, self.generate("--count=200", "--seed=5"))
        self.assertNotEqual(first, self.generate("--count=200", "--seed=6"))

    def test_clicks_heartbeats_and_malformed_lines_are_as_many_as_asked_for(self):
        clicks, heartbeats, malformed = [], [], 0
        for line in self.generate("--count=1000", "--seed=2", "--malformed=7").splitlines():
            try:
                event = json.loads(line)
            except ValueError:
                malformed += 1
                continue
            (heartbeats if "_heartbeat_" in event else clicks).append(event)
        self.assertEqual((len(clicks), malformed), (1000, 7))
        # One each 30 s of the clicks' own time, which began at --start.
        start = 1700000000
        self.assertEqual([e["_heartbeat_"] for e in heartbeats],
                         [start + 30 * (i + 1) for i in range(len(heartbeats))])
        self.assertAlmostEqual(len(heartbeats), 1000 / 30, delta=5)
        times = [e["t"] for e in clicks]
        self.assertNotEqual(times, sorted(times))
        for event in clicks:
            self.assertLess(event["hc"], event["t"])
            for key in ("a", "nk", "tz", "g", "h", "l", "hh", "r", "u"):
                self.assertIn(key, event)
            self.assertEqual("ll" in event, "c" in event)

    def test_a_bad_count_is_refused(self):
        done = run(example("clicks", "generate"), "--count=many")
        self.assertEqual(done.returncode, 2)
        self.assertRegex(done.stderr, r"^generate: [^\n]*--count[^\n]*many[^\n]*\n$")


class ScriptsTest(unittest.TestCase):
    def test_count_to_pubsub_counts(self):
        with Sink(lambda *_: PUBLISHED) as sink:
            done = run(os.path.join(ROOT, "examples/count_to_pubsub.sh"), "--url=" + sink.url(),
                       "--count=3", "--delay=0")
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertEqual([r.body for r in sink.requests],
                             [b'{"number":1}', b'{"number":2}', b'{"number":3}'])
            self.assertEqual(done.stdout.splitlines()[2], "3: Published 1 messages to 0 clients.")

    def random(self, *args):
        with Sink(lambda *_: PUBLISHED) as sink:
            done = run(os.path.join(ROOT, "examples/random_to_pubsub"), "--url=" + sink.url(),
                       "--delay=0", *args)
            self.assertEqual(done.returncode, 0, done.stderr)
            return [json.loads(line)["number"] for r in sink.requests
                    for line in r.body.decode().splitlines()]

    def test_random_to_pubsub_has_the_mean_and_variance_that_were_asked_for(self):
        count, mean, variance = 20000, 10.0, 4.0
        for distribution, kurtosis in (("normal", 3.0), ("uniform", 1.8), ("exponential", 9.0)):
            with self.subTest(distribution=distribution):
                x = self.random("--distribution=" + distribution, "--mean=10", "--variance=4",
                                "--count=%d" % count, "--seed=3")
                self.assertEqual(len(x), count)
                m = math.fsum(x) / count
                v = math.fsum((a - m) ** 2 for a in x) / (count - 1)
                # Five standard errors: of the mean sqrt(v/n), of the variance v sqrt((k-1)/n).
                self.assertAlmostEqual(m, mean, delta=5 * math.sqrt(variance / count))
                self.assertAlmostEqual(v, variance,
                                       delta=5 * variance * math.sqrt((kurtosis - 1) / count))

    def test_random_to_pubsub_repeats_itself_by_seed(self):
        self.assertEqual(self.random("--count=5", "--seed=7"), self.random("--count=5", "--seed=7"))
        self.assertNotEqual(self.random("--count=5", "--seed=7"), self.random("--count=5", "--seed=8"))

    def test_a_wrong_option_of_a_script_exits_2(self):
        for script in ("count_to_pubsub.sh", "random_to_pubsub"):
            done = run(os.path.join(ROOT, "examples", script), "--colour=red")
            self.assertEqual(done.returncode, 2)
            self.assertIn("--colour=red", done.stderr)

    def test_both_reach_a_real_pubsub(self):
        program_path("pubsub")
        with Daemon("pubsub") as pubsub:
            for script in ("count_to_pubsub.sh", "random_to_pubsub"):
                done = run(os.path.join(ROOT, "examples", script), "--url=" + pubsub.url(),
                           "--count=4", "--delay=0")
                self.assertEqual(done.returncode, 0, done.stderr)
            stats = pubsub.stats()
            self.assertEqual(stats["messages_received"], 8)


class StatisticsTest(unittest.TestCase):
    """mean_variance and histogram_many_readers; their documents are run by test_docs.py."""

    def setUp(self):
        self.folder = self.enterContext(tempfile.TemporaryDirectory())

    def path(self, name, text):
        path = os.path.join(self.folder, name)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        return path

    def environment(self, **more):
        return {**os.environ, "RIVULET_BIN_DIR": BIN_DIR, "RIVULET_EXAMPLES_DIR": EXAMPLES_DIR,
                "TMPDIR": self.folder, **more}

    def test_mean_variance_finds_another_secret_and_leaves_nothing_behind(self):
        for name in ("pubsub", "simplequeue", "ps_to_http", "queuereader"):
            program_path(name)
        done = subprocess.run([os.path.join(ROOT, "examples/mean_variance/run.sh")], capture_output=True,
                              text=True, timeout=60, env=self.environment(COUNT="2000", SEED="3"))
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertRegex(done.stdout, r"^2000 numbers\nmean .* the secret was -?\d+, .*\nvariance .* was \d+, .*\n$")
        self.assertEqual(os.listdir(self.folder), [])

    def report(self, name, *args):
        return run("/usr/bin/python3", "-B", os.path.join(ROOT, "examples", name, "report.py"), *args)

    def test_a_mean_or_variance_that_is_not_the_secret_is_told(self):
        found = self.path("found", json.dumps({"tasks": [{"summary": {
            "count": 10000, "mean": 5.0, "stddev": 2.0, "kurtosis": 0.0}}]}))
        # By hand: the errors are 2/100 and 4 sqrt(2/10000).
        for mean, variance, status in (("5.09", "4.2", 0), ("5.11", "4", 1), ("5", "4.3", 1)):
            with self.subTest(mean=mean, variance=variance):
                done = self.report("mean_variance", found, mean, variance)
                self.assertEqual(done.returncode, status, done.stdout + done.stderr)
        self.assertIn("5.3 standard errors away", done.stdout)

    def test_a_histogram_that_is_one_too_high_is_told(self):
        numbers = self.path("numbers", '{"x":0.100}\n{"x":0.199}\n{"x":0.999}\n{"x":1.000}\n')
        for second, status, words in (("2", 0, "exactly as"), ("3", 1, "NOT as")):
            found = self.path("found", json.dumps({"1": second, "9": "1", "overflow": "1"}))
            done = self.report("histogram_many_readers", found, numbers)
            self.assertEqual(done.returncode, status, done.stdout + done.stderr)
            self.assertIn("%d numbers counted, %s a plain count's" % (int(second) + 2, words), done.stdout)


class WorkerTest(unittest.TestCase):
    """A worker that is killed with -9 in the middle of a message costs nothing but its lease."""

    def setUp(self):
        self.folder = self.enterContext(tempfile.TemporaryDirectory())
        self.seen = os.path.join(self.folder, "seen")

    def counts(self, queue):
        return queue.stats()

    def kill_one_in_the_middle(self, first, second):
        """`first` never ends its work; `second` writes the message into self.seen."""
        with Daemon("simplequeue", "--data-path=" + os.path.join(self.folder, "data")) as queue:
            self.assertEqual(post(queue.url("/put"), b"the only message").status, 200)
            worker = subprocess.Popen(first(queue), start_new_session=True)
            try:
                wait_until(lambda: self.counts(queue)["in_flight"] == 1)
            finally:
                os.killpg(worker.pid, signal.SIGKILL)
                worker.wait()
            worker = subprocess.Popen(second(queue), start_new_session=True)
            try:
                wait_until(lambda: self.counts(queue)["finished"] == 1)
            finally:
                os.killpg(worker.pid, signal.SIGKILL)
                worker.wait()
            with open(self.seen, encoding="utf-8") as file:
                self.assertEqual(file.read(), "the only message\n")
            counts = self.counts(queue)
            self.assertEqual([counts[name] for name in ("gets", "timeouts", "finished", "depth", "in_flight")],
                             [2, 1, 1, 0, 0])

    def test_the_message_of_a_killed_shell_worker_comes_again_exactly_once(self):
        script = os.path.join(ROOT, "examples/worker/worker.sh")
        self.kill_one_in_the_middle(
            lambda queue: ["env", "LEASE=500ms", script, queue.url(), "sleep", "1000"],
            lambda queue: [script, queue.url(), "sh", "-c", 'echo "$(cat)" >>"$0"', self.seen])

    def test_the_message_of_a_killed_python_worker_comes_again_exactly_once(self):
        script = os.path.join(ROOT, "examples/worker/worker.py")
        self.kill_one_in_the_middle(
            lambda queue: [script, "--url=" + queue.url(), "--lease=0.5", "--seconds=1000"],
            lambda queue: ["sh", "-c", 'exec "$0" "$1" >>"$2"', script, "--url=" + queue.url(), self.seen])

    def test_a_python_worker_keeps_its_lease_while_it_works(self):
        script = os.path.join(ROOT, "examples/worker/worker.py")
        # Of a machine that stands still for so long a lease is lost: it is asked again.
        for lease in (0.3, 1.5, 7.5):
            with Daemon("simplequeue") as queue:
                post(queue.url("/put"), b"slow")
                worker = subprocess.Popen([script, "--url=" + queue.url(), "--lease=%g" % lease,
                                           "--seconds=%g" % (3.4 * lease)], stdout=subprocess.DEVNULL)
                try:
                    wait_until(lambda: sum(map(self.counts(queue).get, ("finished", "timeouts"))), 60)
                finally:
                    worker.kill()
                    worker.wait()
                lost = self.counts(queue)["timeouts"]
            if not lost:
                break
        self.assertEqual(lost, 0)

    def test_what_a_shell_worker_fails_at_is_requeued_for_later(self):
        script = os.path.join(ROOT, "examples/worker/worker.sh")
        with Daemon("simplequeue") as queue:
            post(queue.url("/put"), b"poison")
            worker = subprocess.Popen([script, queue.url(), "false"], stdout=subprocess.DEVNULL,
                                      start_new_session=True)
            try:
                wait_until(lambda: self.counts(queue)["deferred"] == 1)
            finally:
                os.killpg(worker.pid, signal.SIGKILL)
                worker.wait()
            self.assertEqual(self.counts(queue)["requeues"], 1)


if __name__ == "__main__":
    unittest.main()
