"""The whole pipeline: `examples/clicks/demo.sh`, its figures against an independent computation, its pictures."""

import collections
import json
import math
import os
import re
import shutil
import signal
import subprocess
import tempfile
import unittest
import xml.dom.minidom

from harness import BIN_DIR, ROOT, program_path, wait_until

EXAMPLES_DIR = os.environ.get("RIVULET_EXAMPLES_DIR", os.path.join(ROOT, "build/release/examples"))
DEMO = os.path.join(ROOT, "examples/clicks/demo.sh")
REAL = os.path.join(ROOT, "../shared/data/usagov_clicks.jsonl")
PICTURES = ("ages", "age", "countries", "referrers", "links")


def demo_command(*args):
    for name in ("pubsub", "simplequeue", "ps_to_http", "queuereader", "file_to_http"):
        program_path(name)
    if not os.path.exists(os.path.join(EXAMPLES_DIR, "clicks", "generate")):
        raise unittest.SkipTest("%s/clicks/generate is not built" % EXAMPLES_DIR)
    return [DEMO, *args]


def environment(**more):
    return {**os.environ, "RIVULET_BIN_DIR": BIN_DIR, "RIVULET_EXAMPLES_DIR": EXAMPLES_DIR,
            "RATE": "0", **more}


def processes_of(folder):
    """Pids whose program lies in `folder` or whose command line names it."""
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open("/proc/%s/environ" % pid, "rb") as file:
                if folder.encode() in file.read():
                    found.append(int(pid))
        except OSError:
            pass
    return found


class Expected:
    """What a file of clicks holds, computed here by the textbook's formulas in two passes."""

    def __init__(self, path):
        self.lines = self.clicks = self.heartbeats = self.malformed = 0
        ages, self.countries, self.referrers = [], collections.Counter(), collections.Counter()
        with open(path, encoding="utf-8") as file:
            for line in file:
                self.lines += 1
                try:
                    event = json.loads(line)
                except ValueError:
                    self.malformed += 1
                    continue
                if "_heartbeat_" in event:
                    self.heartbeats += 1
                    continue
                self.clicks += 1
                ages.append(event["t"] - event["hc"])
                if isinstance(event.get("c"), str):
                    self.countries[event["c"]] += 1
                self.referrers[event["r"]] += 1
        n = len(ages)
        self.mean = math.fsum(ages) / n
        m2, m3, m4 = (math.fsum((a - self.mean) ** k for a in ages) / n for k in (2, 3, 4))
        self.deviation = math.sqrt(m2 * n / (n - 1))
        self.skewness = m3 / m2 ** 1.5
        self.kurtosis = m4 / m2 ** 2 - 3


class DemoTest(unittest.TestCase):
    def setUp(self):
        # Pictures go there, and not into the tree.
        self.out = os.path.join(self.enterContext(tempfile.TemporaryDirectory()), "pictures")

    def play(self, path, **more):
        """What the demo prints, with the folder of its pictures as by default."""
        run = subprocess.run(demo_command(path), capture_output=True, text=True, timeout=120,
                             env=environment(OUT=self.out, **more))
        self.assertEqual(run.returncode, 0, run.stdout + run.stderr)
        return run.stdout.replace(self.out, "demo-out")

    def generate(self, file, count, seed, malformed=9):
        demo_command()
        subprocess.run([os.path.join(EXAMPLES_DIR, "clicks", "generate"), "--count=%d" % count,
                        "--seed=%d" % seed, "--malformed=%d" % malformed], stdout=file, check=True)

    def assert_shown(self, document, command, text):
        """That the document shows the result of this run behind the command."""
        with open(os.path.join(ROOT, document), encoding="utf-8") as file:
            shown = re.search(r"^\$ %s$(.*?)^```$" % command, file.read(), re.MULTILINE | re.DOTALL)
        result = shown.group(1)[shown.group(1).index("  clicks "):]
        self.assertIn(result, text, document + " shows another result")

    def check_pictures(self, text, expected):
        """Five pictures and a page with all of them; what they show is of these clicks."""
        self.assertRegex(text, r"(?m)^pictures: demo-out/index\.html$")
        self.assertEqual(sorted(os.listdir(self.out)),
                         sorted(["index.html", *(name + ".svg" for name in PICTURES)]))
        shown = {}
        for name in PICTURES:
            with open(os.path.join(self.out, name + ".svg"), encoding="utf-8") as file:
                shown[name] = file.read()
            picture = xml.dom.minidom.parseString(shown[name].encode()).documentElement
            self.assertEqual(picture.tagName, "svg")
            self.assertGreater(len(picture.getElementsByTagName("text")), 3, name)
        with open(os.path.join(self.out, "index.html"), encoding="utf-8") as file:
            page = file.read()
        for name in PICTURES:
            self.assertIn(shown[name][shown[name].index("<svg"):].strip(), page)
        for counter, name in ((expected.countries, "countries"), (expected.referrers, "referrers")):
            key, count = counter.most_common(1)[0]
            self.assertIn(">%s<" % key, shown[name])
            self.assertRegex(shown[name], r"\b%d\b" % count)

    def figure(self, text, name):
        """The number on the line of the result that starts with `name`."""
        match = re.search(r"^ *%s +(-?[\d,.e+]+)" % re.escape(name), text, re.MULTILINE)
        self.assertIsNotNone(match, "no line '%s' in:\n%s" % (name, text))
        return float(match.group(1).replace(",", ""))

    def check(self, path, text):
        expected = Expected(path)
        self.assertRegex(text, r"(?m)^%d published, %d processed, 0 lost$"
                         % (expected.lines, expected.lines))
        self.assertEqual(self.figure(text, "clicks"), expected.clicks)
        self.assertEqual(self.figure(text, "heartbeats skipped"), expected.heartbeats)
        self.assertEqual(self.figure(text, "malformed lines set aside"), expected.malformed)
        for name, value in (("mean", expected.mean), ("standard deviation", expected.deviation),
                            ("skewness", expected.skewness), ("kurtosis", expected.kurtosis)):
            with self.subTest(figure=name):
                seen = self.figure(text, name)
                # Shown with at least six digits.
                self.assertAlmostEqual(seen, value, delta=abs(value) * 1e-6 + 1e-6)
        for counter in (expected.countries, expected.referrers):
            for key, count in counter.most_common(3):
                with self.subTest(key=key):
                    self.assertRegex(text, r"(?m)^ *%d +%s *$|^ *%s +%d *$" % (
                        count, re.escape(key), re.escape(key), count))
        return expected

    def test_the_real_hour_gives_the_figures_computed_here(self):
        if not os.path.exists(REAL):
            self.skipTest("../shared/data/usagov_clicks.jsonl is not here")
        text = self.play(REAL)
        expected = self.check(REAL, text)
        self.assertEqual((expected.clicks, expected.heartbeats), (3440, 120))
        self.assert_shown("examples/clicks/README.md", "make demo INPUT=usagov_clicks.jsonl", text)

    def test_what_the_readme_shows_is_what_generated_clicks_give(self):
        with tempfile.NamedTemporaryFile("w", suffix=".jsonl") as file:
            self.generate(file, 3000, 1, malformed=3)
            self.assert_shown("README.md", "make demo", self.play(file.name))

    def test_generated_clicks_with_malformed_lines_give_the_figures_computed_here(self):
        with tempfile.NamedTemporaryFile("w", suffix=".jsonl") as file:
            self.generate(file, 5000, 11)
            text = self.play(file.name)
            expected = self.check(file.name, text)
            self.assertEqual((expected.clicks, expected.malformed), (5000, 9))
            self.check_pictures(text, expected)

    def test_in_a_redis_the_figures_and_pictures_are_the_same(self):
        if not shutil.which("redis-server"):
            self.skipTest("redis-server is not installed")
        with tempfile.NamedTemporaryFile("w", suffix=".jsonl") as file:
            self.generate(file, 2000, 12)
            text = self.play(file.name, STORE="redis")
            self.assertRegex(text, r"(?m)^pubsub .* -> queuereader -> Redis$")
            self.check_pictures(text, self.check(file.name, text))

    def test_a_store_that_there_is_not_is_named(self):
        run = subprocess.run(demo_command(), capture_output=True, text=True, timeout=60,
                             env=environment(OUT=self.out, STORE="drawer"))
        self.assertEqual(run.returncode, 1)
        self.assertIn("STORE 'drawer' must be memory or redis", run.stderr)
        self.assertFalse(os.path.exists(self.out))

    def test_an_input_that_is_not_there_is_named(self):
        run = subprocess.run(demo_command("/nonexistent/file"), capture_output=True, text=True,
                             timeout=60, env=environment(OUT=self.out))
        self.assertEqual(run.returncode, 1)
        self.assertIn("/nonexistent/file", run.stderr)

    def test_every_process_is_stopped_also_by_sigint_and_sigterm(self):
        for number in (signal.SIGINT, signal.SIGTERM):
            with self.subTest(signal=number), tempfile.TemporaryDirectory() as folder:
                # Everything that it starts inherits TMPDIR: so it can be found.
                demo = subprocess.Popen(
                    demo_command(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                    env=environment(OUT=self.out, TMPDIR=folder, RATE="20"), start_new_session=True)
                try:
                    for line in demo.stdout:
                        if "published" in line:
                            break  # it plays
                    self.assertGreater(len(processes_of(folder)), 4)
                    os.killpg(demo.pid, number)
                    said = demo.stdout.read()
                    self.assertEqual(demo.wait(timeout=30), 128 + number, said)
                finally:
                    if demo.poll() is None:
                        demo.kill()
                        demo.wait()
                    demo.stdout.close()
                wait_until(lambda: not processes_of(folder), 30, "the end of all that it started")
                self.assertEqual(os.listdir(folder), [])


if __name__ == "__main__":
    unittest.main()
