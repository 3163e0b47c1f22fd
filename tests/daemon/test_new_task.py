"""rivulet-new-task: what it writes builds, passes its own test, and runs in the reader."""

import json
import os
import subprocess
import tempfile
import unittest

import harness


class NewTaskTest(unittest.TestCase):
    def setUp(self):
        self.folder = self.enterContext(tempfile.TemporaryDirectory())
        self.program = harness.program_path("rivulet-new-task")

    def run_it(self, *arguments):
        return subprocess.run([self.program, *arguments], cwd=self.folder, capture_output=True, text=True,
                              check=False)

    def make(self, *arguments):
        # Without what is installed here: the headers are those of this tree.
        env = dict(os.environ, PKG_CONFIG_LIBDIR=self.folder, MAKEFLAGS="",
                   QUEUEREADER=harness.program_path("queuereader"))
        return subprocess.run(["make", "-s", *arguments, "CXXFLAGS=-O0 -Wall -Wextra -Wpedantic -Werror -Wl,-z,defs"],
                              cwd=self.folder, env=env, capture_output=True, text=True, check=False)

    def test_the_starter_builds_and_passes_its_test(self):
        run = self.run_it("longest_word")
        self.assertEqual((run.returncode, run.stderr), (0, ""))
        self.assertIn("make -C longest_word test", run.stdout)
        made = self.make("-C", "longest_word", "test")
        self.assertEqual((made.returncode, made.stderr), (0, ""))
        self.assertIn("longest_word: passed", made.stdout)

    def test_its_test_fails_when_the_task_is_broken(self):
        self.run_it("mine")
        source = os.path.join(self.folder, "mine", "mine.cc")
        with open(source, encoding="utf-8") as file:
            text = file.read()
        with open(source, "w", encoding="utf-8") as file:
            file.write(text.replace("sum_ += *value;", "sum_ -= *value;"))
        made = self.make("-C", "mine", "test")
        self.assertNotEqual(made.returncode, 0)
        self.assertIn('"sum":-3', made.stderr)

    def test_a_name_may_be_that_of_a_part_of_the_base_class(self):
        self.run_it("run")
        made = self.make("-C", "run")
        self.assertEqual((made.returncode, made.stderr), (0, ""))

    def test_its_state_goes_through_a_checkpoint(self):
        self.run_it("mine")
        self.assertEqual(self.make("-C", "mine").returncode, 0)
        for expected in (3, 6):
            run = harness.run_program("queuereader", "--source=-", f"--task={self.folder}/mine/mine.so",
                                      f"--checkpoint-dir={self.folder}/state", "--summary-format=json",
                                      "--log-level=error", f"--failed-message-dir={self.folder}/failed",
                                      input='{"number":1}\n{"number":2}\n')
            self.assertEqual(run.returncode, 0, run.stderr)
            self.assertEqual(json.loads(run.stdout)["tasks"][0]["summary"]["sum"], expected)

    def test_names_that_are_none_are_refused(self):
        for name in ("", "1st", "../up", "Longest", "a" * 65, "with space"):
            run = self.run_it(name)
            self.assertEqual(run.returncode, 2, name)
            self.assertTrue(run.stderr.startswith("rivulet-new-task: "), run.stderr)
            self.assertEqual(run.stderr.count("\n"), 1)
        self.assertEqual(os.listdir(self.folder), [])

    def test_an_earlier_folder_is_kept_unless_forced(self):
        self.run_it("mine")
        path = os.path.join(self.folder, "mine", "mine.cc")
        with open(path, "w", encoding="utf-8") as file:
            file.write("precious")
        run = self.run_it("mine")
        self.assertEqual(run.returncode, 1)
        with open(path, encoding="utf-8") as file:
            self.assertEqual(file.read(), "precious")
        self.assertEqual(self.run_it("--force", "mine").returncode, 0)
        with open(path, encoding="utf-8") as file:
            self.assertIn("RIVULET_TASK(MineTask)", file.read())

    def test_help_and_version(self):
        self.assertIn("usage: rivulet-new-task", self.run_it("--help").stdout)
        self.assertRegex(self.run_it("--version").stdout, r"^rivulet-new-task \d+\.\d+\.\d+")
        self.assertEqual(self.run_it("--nonsense").returncode, 2)


if __name__ == "__main__":
    unittest.main()
