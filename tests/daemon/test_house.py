"""The tools that hold the house together: the lint finds what it must, the runner counts right."""

import os
import shutil
import subprocess
import sys
import tempfile
import unittest

from harness import BIN_DIR, ROOT, program_path

BAD_SOURCES = {
    # file: (line, what the finding must say)
    "base/a.h": ('#pragma once\n#include "http/server.h"\n', "base must not include http/server.h"),
    "http/a.h": ('#pragma once\n#include "pubsub/topic.h"\n', "http must not include pubsub/topic.h"),
    "pubsub/a.cc": ('#include "simplequeue/queue.h"\n', "pubsub must not include simplequeue/queue.h"),
    "simplequeue/queue.h": ("#pragma once\n#include <event2/event.h>\n", "a heart includes"),
    "simplequeue/arena.cc": ('#include "http/reply.h"\n', "a heart includes"),
    "pubsub/topic.cc": ("auto t = std::chrono::steady_clock::now();\n", "reads a clock"),
    "algorithms/a.h": ('#pragma once\n#include "base/status.h"\n', "algorithms must not include"),
    "algorithms/b.h": ("#pragma once\n#include <fstream>\n", "no I/O"),
    "algorithms/c.h": ("#pragma once\nstd::random_device seed;\n", "no global generator"),
    "tasks/a.cc": ("#include <rapidjson/document.h>\n", "base/json.h alone"),
    "base/b.h": ("int x;\n", "#pragma once"),
    "http/b.cc": ('#include "server.h"\n', 'from the root: "http/server.h"'),
}
GOOD_SOURCES = {
    "base/ok.h": "#pragma once\n#include <string>\n",
    "pubsub/topic_ok.h": '#pragma once\n#include "base/clock.h"\n// steady_clock::now() is not for us\n',
    "queuereader/main.cc": '#include "tasks/count.h"\n',
    "algorithms/ok.h": "#pragma once\n#include <cmath>\n#include <random>\n",
}


class LintTest(unittest.TestCase):
    def lint(self, files):
        with tempfile.TemporaryDirectory() as folder:
            os.makedirs(os.path.join(folder, "scripts"))
            for name in ("lint", "joined.py"):
                shutil.copy(os.path.join(ROOT, "scripts", name), os.path.join(folder, "scripts"))
            for name, text in files.items():
                path = os.path.join(folder, name)
                os.makedirs(os.path.dirname(path), exist_ok=True)
                with open(path, "w", encoding="utf-8") as file:
                    file.write(text)
            return subprocess.run([sys.executable, "-B", os.path.join(folder, "scripts", "lint"), "includes"],
                                  capture_output=True, text=True)

    def test_includes_in_the_wrong_direction_are_found(self):
        for name, (text, finding) in BAD_SOURCES.items():
            with self.subTest(file=name):
                run = self.lint({name: text})
                self.assertEqual(run.returncode, 1, run.stdout + run.stderr)
                self.assertIn(name + ":", run.stdout)
                self.assertIn(finding, run.stdout)

    def test_includes_in_the_right_direction_pass(self):
        run = self.lint(GOOD_SOURCES)
        self.assertEqual(run.returncode, 0, run.stdout + run.stderr)

    def test_an_unknown_part_is_refused(self):
        run = subprocess.run([sys.executable, "-B", os.path.join(ROOT, "scripts", "lint"), "nonsense"],
                             capture_output=True, text=True)
        self.assertEqual(run.returncode, 2)
        self.assertIn("nonsense", run.stderr)


class RunnerTest(unittest.TestCase):
    """tests/run.py on files of known outcome."""

    def run_cases(self, text):
        with tempfile.TemporaryDirectory() as folder:
            tests = os.path.join(folder, "tests", "daemon")
            os.makedirs(tests)
            shutil.copy(os.path.join(ROOT, "tests", "run.py"), os.path.join(folder, "tests"))
            if text is not None:
                with open(os.path.join(tests, "test_sample.py"), "w", encoding="utf-8") as file:
                    file.write("import os, unittest\n" + text)
            run = subprocess.run([sys.executable, "-B", os.path.join(folder, "tests", "run.py")],
                                 capture_output=True, text=True, timeout=60)
            return run.returncode, run.stdout.splitlines()[-1], run.stdout

    def test_outcomes_are_counted(self):
        code, last, output = self.run_cases(
            "class A(unittest.TestCase):\n"
            "  def test_a(self): pass\n"
            "  def test_b(self): self.fail('seen')\n"
            "  def test_c(self): self.skipTest('no moon')\n")
        self.assertEqual((code, last), (1, "1 passed, 1 failed, 1 skipped"))
        self.assertIn("no moon", output)
        self.assertIn("AssertionError: seen", output)

    def test_all_passed_exits_0(self):
        code, last, _ = self.run_cases("class A(unittest.TestCase):\n  def test_a(self): pass\n")
        self.assertEqual((code, last), (0, "1 passed, 0 failed, 0 skipped"))

    def test_a_crash_is_a_failure(self):
        code, last, output = self.run_cases(
            "class A(unittest.TestCase):\n  def test_a(self): os.abort()\n")
        self.assertEqual((code, last), (1, "0 passed, 1 failed, 0 skipped"))
        self.assertIn("signal 6", output)

    def test_a_file_that_does_not_load_is_a_failure(self):
        code, last, _ = self.run_cases("import no_such_module\n")
        self.assertEqual((code, last), (1, "0 passed, 1 failed, 0 skipped"))

    def test_nothing_to_run_is_a_failure(self):
        code, last, _ = self.run_cases(None)
        self.assertEqual((code, last), (1, "0 passed, 0 failed, 0 skipped"))


class CompletionTest(unittest.TestCase):
    def complete(self, *words):
        """What bash offers for the last of the words."""
        program_path(words[0])
        script = (
            "source packaging/completions/rivulet.bash; compopt() { :; }; COMP_WORDS=(%s); "
            "COMP_CWORD=%d; _rivulet %s; printf '%%s\\n' \"${COMPREPLY[@]}\""
            % (" ".join("'%s'" % w for w in words), len(words) - 1, words[0]))
        run = subprocess.run(["bash", "-c", script], capture_output=True, text=True, cwd=ROOT,
                             env={**os.environ, "PATH": BIN_DIR + ":" + os.environ["PATH"]})
        self.assertEqual((run.returncode, run.stderr), (0, ""))
        return run.stdout.split()

    def test_option_names_come_from_help(self):
        self.assertEqual(self.complete("simplequeue", "--drain"), ["--drain-timeout="])
        self.assertEqual(self.complete("pubsub", "--insec"), ["--insecure"])

    def test_values_are_offered_where_they_are_known(self):
        # Bash hands over --log-level=w as three words.
        self.assertEqual(self.complete("pubsub", "--log-level", "=", "w"), ["warning"])
        self.assertEqual(self.complete("queuereader", "--log-format", "="), ["text", "json"])


class DepsTest(unittest.TestCase):
    def test_an_unknown_group_is_refused(self):
        run = subprocess.run([os.path.join(ROOT, "scripts", "deps.sh"), "nonsense"],
                             capture_output=True, text=True)
        self.assertEqual(run.returncode, 2)
        self.assertIn("nonsense", run.stderr)

    def test_a_missing_package_without_root_or_sudo_is_named_with_the_command(self):
        # A dpkg-query that knows no package, and an id that is not root.
        with tempfile.TemporaryDirectory() as folder:
            for name, body in {"dpkg-query": "true", "id": "echo 1000"}.items():
                path = os.path.join(folder, name)
                with open(path, "w", encoding="utf-8") as file:
                    file.write("#!/bin/sh\n%s\n" % body)
                os.chmod(path, 0o755)
            for tool in ("sh", "sed", "grep", "printf", "cat"):
                found = shutil.which(tool)
                if found:
                    os.symlink(found, os.path.join(folder, tool))
            run = subprocess.run([os.path.join(ROOT, "scripts", "deps.sh"), "--quiet", "build"],
                                 capture_output=True, text=True, env={"PATH": folder})
        self.assertEqual(run.returncode, 1, run.stderr)
        self.assertIn("libevent-dev is the event loop", run.stdout)
        self.assertRegex(run.stderr, r"apt-get install .* libevent-dev")


class JoinedBuild(unittest.TestCase):
    """The Makefile, over a folder of sources that look as if they could be joined, and cannot."""

    def setUp(self):
        self.folder = self.enterContext(tempfile.TemporaryDirectory())
        shutil.copytree(os.path.join(ROOT, "scripts"), os.path.join(self.folder, "scripts"))
        shutil.copy(os.path.join(ROOT, "Makefile"), self.folder)
        for name, text in (("base/a.cc", "typedef int one;\none A() { return 1; }\n"),
                           ("base/b.cc", "typedef long one;\none B() { return 2; }\n"),
                           ("base/version.h", ""), ("scripts/precompiled.h", "")):
            os.makedirs(os.path.dirname(os.path.join(self.folder, name)), exist_ok=True)
            with open(os.path.join(self.folder, name), "w", encoding="utf-8") as file:
                file.write(text)

    def make(self, *args):
        """Makes the library; the functions in it."""
        # Nothing of a make that runs this test.
        environment = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))}
        run = subprocess.run(["make", "-s", "LIB_DIRS=base", "CXX=g++", *args, "build/release/librivulet.a"],
                             cwd=self.folder, env=environment, capture_output=True, text=True)
        self.assertEqual(run.returncode, 0, run.stdout + run.stderr)
        self.said = run.stdout
        names = subprocess.run(["nm", "-C", "--defined-only", "build/release/librivulet.a"], cwd=self.folder,
                               capture_output=True, text=True, check=True).stdout
        return {name for name in ("A()", "B()", "C()") if " T " + name in names}

    def test_what_compiles_only_one_by_one_is_made_and_may_go(self):
        self.assertEqual(self.make(), {"A()", "B()"})
        self.assertIn("compiles only one by one", self.said)
        os.unlink(os.path.join(self.folder, "base/b.cc"))
        self.assertEqual(self.make(), {"A()"})
        os.rename(os.path.join(self.folder, "base/a.cc"), os.path.join(self.folder, "base/c.cc"))
        self.assertEqual(self.make(), {"A()"})

    def test_a_tree_made_file_by_file_stays_so(self):
        self.assertEqual(self.make("JOIN="), {"A()", "B()"})
        self.assertEqual(self.make(), {"A()", "B()"})
        self.assertEqual(self.said, "")  # nothing was to be done

    def test_without_a_python_it_is_made_file_by_file(self):
        self.assertEqual(self.make("PYTHON=/nowhere/python3"), {"A()", "B()"})


if __name__ == "__main__":
    unittest.main()
