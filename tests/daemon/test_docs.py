"""The documents tell the truth: their commands are run, their links lead somewhere.

A block that is run looks like this in the source:

    <!-- run: simplequeue=8081 pubsub=8080 -->
    ```console
    $ curl -s http://127.0.0.1:8081/get
    hello
    ```

The named daemons are started on free ports, which take the place of the ports that the block shows. What
the commands print must be what the block shows; `...` stands for anything within a line. A command
ends with its line, or goes on after a backslash.
"""

import concurrent.futures
import contextlib
import glob
import os
import re
import subprocess
import tempfile
import unittest

from harness import BIN_DIR, PROGRAMS, ROOT, Daemon, program_path, run_program
from test_cli import help_options

DOCUMENTS = sorted(
    glob.glob(os.path.join(ROOT, "*.md")) + glob.glob(os.path.join(ROOT, "examples", "**", "*.md"),
                                                      recursive=True))
BLOCK = re.compile(r"^<!-- run:([^>]*)-->\n```console\n(.*?)^```$", re.MULTILINE | re.DOTALL)
EXAMPLES_DIR = os.environ.get("RIVULET_EXAMPLES_DIR", os.path.join(ROOT, "build/release/examples"))


def read(path):
    with open(path, encoding="utf-8") as file:
        return file.read()


def parse_block(text):
    """[(command, expected output)] of a console block."""
    steps = []
    lines = iter(text.splitlines())
    for line in lines:
        if line.startswith("$ "):
            command = line[2:]
            while command.endswith("\\"):
                command += "\n" + next(lines)
            steps.append((command, ""))
        elif steps:
            steps[-1] = (steps[-1][0], steps[-1][1] + line + "\n")
        else:
            raise AssertionError("output before the first command: %r" % line)
    return steps


def matches(expected, seen):
    pattern = "".join(".*" if part == "..." else re.escape(part)
                      for part in re.split(r"(\.\.\.)", expected))
    return re.fullmatch(pattern, seen) is not None


def run_steps(commands, folder, env):
    """Runs the commands in one shell; the output of each."""
    mark = "--- end of a command ---"
    script = "".join("%s\necho; echo '%s'\n" % (command, mark) for command in commands)
    run = subprocess.run(["bash", "-c", script], cwd=folder, env=env, stdin=subprocess.DEVNULL,
                         stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=120)
    return run.stdout.split("\n" + mark + "\n")[:-1]


class DocumentsTest(unittest.TestCase):
    maxDiff = None

    def run_block(self, daemons, text):
        for name in PROGRAMS:
            program_path(name)  # skips where one is not built
        with contextlib.ExitStack() as stack:
            folder = stack.enter_context(tempfile.TemporaryDirectory())
            for link in ("examples", "tests"):
                os.symlink(os.path.join(ROOT, link), os.path.join(folder, link))
            os.makedirs(os.path.join(folder, "build/release"))
            os.symlink(BIN_DIR, os.path.join(folder, "build/bin"))
            os.symlink(EXAMPLES_DIR, os.path.join(folder, "build/release/examples"))
            for daemon in daemons.split():
                name, shown = daemon.split("=")
                started = stack.enter_context(Daemon(name))
                text = text.replace(":" + shown, ":%d" % started.port)
            steps = parse_block(text)
            env = {**os.environ, "PATH": BIN_DIR + ":" + os.environ["PATH"]}
            outputs = run_steps([command for command, _ in steps], folder, env)
            self.assertEqual(len(outputs), len(steps), outputs)
            for (command, expected), seen in zip(steps, outputs):
                # A last line without its newline cannot be told apart in a document.
                if not matches(expected.rstrip("\n"), seen.rstrip("\n")):
                    self.assertEqual(seen, expected, "$ " + command)

    def test_the_marked_blocks_print_what_they_show(self):
        # Each has its folder and daemons, and mostly waits: some at a time.
        with concurrent.futures.ThreadPoolExecutor(6) as pool:
            runs = [(path, text, pool.submit(self.run_block, daemons, text))
                    for path in DOCUMENTS for daemons, text in BLOCK.findall(read(path))]
            for path, text, run in runs:
                with self.subTest(document=os.path.relpath(path, ROOT), block=text.split("\n")[0]):
                    run.result()
        self.assertGreater(len(runs), 0)

    def test_relative_links_lead_somewhere(self):
        for path in DOCUMENTS:
            for target in re.findall(r"\]\(([^)#:\s]+)(?:#[^)]*)?\)", read(path)):
                with self.subTest(document=os.path.relpath(path, ROOT), target=target):
                    self.assertTrue(os.path.exists(os.path.join(os.path.dirname(path), target)))

    def test_the_options_that_documents_name_exist(self):
        for path in DOCUMENTS:
            for name in PROGRAMS:
                # `build/bin/pubsub --port=0 ...` in a command line.
                for line in re.findall(r"(?:^\$ |[ /])%s( --[^\n`|&>]*)" % name, read(path),
                                       re.MULTILINE):
                    listed = help_options(run_program(name, "--help").stdout)
                    listed.update(help=False, version=False)
                    for option in re.findall(r" --([a-z][a-z0-9-]*)", line):
                        with self.subTest(document=os.path.relpath(path, ROOT), program=name):
                            self.assertIn(option, listed)


class BlockTest(unittest.TestCase):
    """The reader of blocks itself."""

    def test_a_block_is_commands_and_what_they_print(self):
        self.assertEqual(parse_block("$ a \\\n  b\n1\n2\n$ c\n"), [("a \\\n  b", "1\n2\n"), ("c", "")])

    def test_dots_stand_for_anything_within_a_line(self):
        self.assertTrue(matches("id ... at 5", "id 17 at 5"))
        self.assertFalse(matches("id ... at 5", "id 17\nat 5"))
        self.assertFalse(matches("id", "id 2"))


if __name__ == "__main__":
    unittest.main()
