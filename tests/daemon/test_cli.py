"""What every program promises to the shell: --help, --version, wrong options, ports, SIGTERM."""

import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import unittest

from harness import PROGRAMS, ROOT, SERVERS, Daemon, free_port, program_path, run_program

# What a program needs besides the option under test.
BASE_ARGS = {
    "pubsub": ["--port=0"],
    "simplequeue": ["--port=0"],
    "ps_to_http": ["--pubsub-url=http://127.0.0.1:1/sub", "--destination-get-url=http://127.0.0.1:1/put?data=%s"],
    "ps_to_file": ["--pubsub-url=http://127.0.0.1:1/sub", "--filename-format=/proc/nonexistent/clicks-%H"],
    "file_to_http": ["--destination-post-url=http://127.0.0.1:1/put", "/nonexistent"],
    "queuereader": ["--source=-", "--task=count"],
    "collector": ["--port=0", "--destination-post-url=http://127.0.0.1:1/put"],
    "bandit": ["--port=0", "--source=http://127.0.0.1:1", "--task=bandit:items=a+b"],
    "rivulet-journal": ["verify", "/nonexistent"],
    "rivulet-graph": ["--store=memory:", "top"],
}
# Options whose value may be any text; what is wrong with it shows when it is used, not when it is
# read. Every other option must refuse BAD_VALUE.
FREE_TEXT = {
    "output", "prefix", "store-password-file",
    "root", "pid-file", "log-file", "allow-origin", "overflow-log", "header",
    # Folders and files that are made, or found missing, when they are used.
    "dead-letter", "spool-path", "offset-file", "ca-file", "state-file", "filename-format",
    "mget-item-sep", "mput-item-sep", "queuename", "failed-message-dir", "heartbeat-file",
    "filter-require", "filter-exclude", "user-agent", "data-path", "checkpoint-dir",
    "experiments", "key", "fallback", "bot-word",
    # These are read only where --pubsub-url is given; alone they are refused for that.
    "blacklist-fields", "encrypted-fields", "expected-key", "expected-value",
    "expected-value-regex", "hash-key-file", "source-auth-token-file", "source-offset-file",
}
BAD_VALUE = "no such value"
# The common options of the servers, from the contract.
SERVER_OPTIONS = """address port config log-format log-level max-body-size max-connections
    idle-timeout header-timeout auth-token-file allow-origin insecure drain-timeout enable-logging
    root user group daemon pid-file""".split()


def help_options(text):
    """{name: takes a value} of the options that a --help text lists."""
    options = {}
    for line in text.splitlines():
        match = re.match(r"\s+(?:-\w,\s*)?--([a-z][a-z0-9-]*)(\[?[= ](?=[A-Z<'\"]))?", line)
        if match:
            options[match.group(1)] = bool(match.group(2))
    return options


def page_text(name):
    path = os.path.join(ROOT, "man", name + ".1")
    if not os.path.exists(path):
        raise unittest.SkipTest("man/%s.1 is not written" % name)
    if not shutil.which("mandoc"):
        raise unittest.SkipTest("mandoc is not installed")
    text = subprocess.run(["mandoc", "-T", "ascii", path], capture_output=True, text=True,
                          check=True).stdout
    return re.sub(r".\x08", "", text)  # bold and underlined text is overstruck


class CommandLine:
    """The cases for one program; PROGRAM is its name."""

    PROGRAM = ""

    def setUp(self):
        program_path(self.PROGRAM)  # skips where it is not built

    def run_it(self, *args, timeout=20.0):
        return run_program(self.PROGRAM, *args, timeout=timeout)

    def assert_refused(self, run, status, *parts):
        self.assertEqual(run.returncode, status, run.stderr)
        self.assertEqual(run.stdout, "")
        lines = run.stderr.splitlines()
        self.assertEqual(len(lines), 1, "one line, not:\n" + run.stderr)
        for part in parts:
            self.assertIn(part, lines[0])

    def test_help_goes_to_standard_output_and_exits_0(self):
        run = self.run_it("--help")
        self.assertEqual((run.returncode, run.stderr), (0, ""))
        self.assertIn(self.PROGRAM, run.stdout)
        self.assertTrue(help_options(run.stdout), "no options listed:\n" + run.stdout)

    def test_version_goes_to_standard_output_and_exits_0(self):
        run = self.run_it("--version")
        self.assertEqual((run.returncode, run.stderr), (0, ""))
        self.assertRegex(run.stdout, r"^%s \d+\.\d+\.\d+\n$" % self.PROGRAM)

    def test_an_unknown_option_is_named_and_exits_2(self):
        self.assert_refused(self.run_it("--no-such-option=17", *BASE_ARGS[self.PROGRAM]), 2,
                            self.PROGRAM, "--no-such-option")

    def test_an_unwanted_argument_is_named_and_exits_2(self):
        self.assert_refused(self.run_it(*BASE_ARGS[self.PROGRAM], "unwanted"), 2, "unwanted")

    def test_a_bad_value_of_any_option_is_named_and_exits_2(self):
        for name, valued in sorted(help_options(self.run_it("--help").stdout).items()):
            if name in FREE_TEXT or name in ("help", "version"):
                continue
            with self.subTest(option=name):
                args = [a for a in BASE_ARGS[self.PROGRAM] if not a.startswith("--%s=" % name)]
                try:
                    run = self.run_it("--%s=%s" % (name, BAD_VALUE), *args)
                except subprocess.TimeoutExpired:
                    self.fail("--%s='%s' was taken" % (name, BAD_VALUE))
                if run.returncode == 1 and valued:
                    # A file, user or directory that does not exist: a start that fails.
                    self.assert_refused(run, 1, BAD_VALUE)
                else:
                    self.assert_refused(run, 2, "--" + name, BAD_VALUE)

    def test_an_option_without_its_value_is_named_and_exits_2(self):
        valued = sorted(n for n, v in help_options(self.run_it("--help").stdout).items() if v)
        self.assertTrue(valued)
        self.assert_refused(self.run_it("--" + valued[0]), 2, "--" + valued[0])

    def test_a_config_file_that_is_not_there_exits_1(self):
        if "config" not in help_options(self.run_it("--help").stdout):
            self.skipTest("no --config")
        self.assert_refused(self.run_it("--config=/nonexistent/rivulet.conf"), 1,
                            "/nonexistent/rivulet.conf")

    def test_a_wrong_name_in_a_config_file_exits_2(self):
        if "config" not in help_options(self.run_it("--help").stdout):
            self.skipTest("no --config")
        with tempfile.NamedTemporaryFile("w", suffix=".conf") as config:
            config.write("# a comment\nno_such_name = 3\n")
            config.flush()
            run = self.run_it("--config=" + config.name, *BASE_ARGS[self.PROGRAM])
            self.assertEqual(run.returncode, 2, run.stderr)
            self.assertRegex(run.stderr, r"^[^\n]*no[_-]such[_-]name[^\n]*\n$")

    def test_the_man_page_and_help_name_the_same_options(self):
        page = page_text(self.PROGRAM)
        in_help = set(help_options(self.run_it("--help").stdout))
        in_page = set(re.findall(r"--([a-z][a-z0-9-]*)", page))
        self.assertEqual(sorted(in_help - in_page), [], "in --help, not in the page")
        entries = set(re.findall(r"^\s+--([a-z][a-z0-9-]*)", page, re.MULTILINE))
        self.assertTrue(entries, "the page has no list of options")
        self.assertEqual(sorted(entries - in_help), [], "in the page, not in --help")


class Server(CommandLine):
    def more(self):
        """What it needs besides its port."""
        return BASE_ARGS[self.PROGRAM][1:]

    def test_help_lists_the_common_options(self):
        listed = help_options(self.run_it("--help").stdout)
        self.assertEqual([o for o in SERVER_OPTIONS if o not in listed], [])

    def test_a_taken_port_exits_1_and_is_named(self):
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen(1)
            port = taken.getsockname()[1]
            run = self.run_it("--port=%d" % port, *self.more())
            self.assertEqual((run.returncode, run.stdout), (1, ""))
            self.assertRegex(run.stderr, r"^[^\n]*%d[^\n]*\n$" % port)

    def test_a_value_may_follow_its_option_as_a_word(self):
        with Daemon(self.PROGRAM, "--port", "0", *self.more()) as daemon:
            self.assertGreater(daemon.port, 0)

    def test_a_config_file_sets_what_the_command_line_does_not(self):
        port = free_port()
        with tempfile.NamedTemporaryFile("w", suffix=".conf") as config:
            config.write("# comment\nport = %d\nlog_level = error\n" % port)
            config.flush()
            with Daemon(self.PROGRAM, "--config=" + config.name, *self.more()) as daemon:
                self.assertEqual(daemon.port, port)
            with Daemon(self.PROGRAM, "--config=" + config.name, "--port=0", *self.more()) as daemon:
                self.assertNotEqual(daemon.port, port)

    def test_a_wide_address_without_a_token_is_refused(self):
        run = self.run_it("--address=0.0.0.0", "--port=0", *self.more())
        self.assertIn(run.returncode, (1, 2))
        self.assertEqual(run.stdout, "")
        self.assertRegex(run.stderr, r"^[^\n]*0\.0\.0\.0[^\n]*\n$")
        with Daemon(self.PROGRAM, "--address=0.0.0.0", "--insecure", *self.more()) as daemon:
            self.assertGreater(daemon.port, 0)

    def test_sigterm_right_after_listening_exits_0_each_of_50_times(self):
        # Fails where signal handlers are installed after the line is printed.
        for _ in range(50):
            process = subprocess.Popen([program_path(self.PROGRAM), "--port=0", *self.more()],
                                       stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
            try:
                line = process.stdout.readline()
                process.send_signal(signal.SIGTERM)
                self.assertRegex(line.decode(), r"^listening on 127\.0\.0\.1:\d+\n$")
                self.assertEqual(process.wait(timeout=20), 0)
            finally:
                if process.poll() is None:
                    process.kill()
                    process.wait()
                process.stdout.close()

    def test_sigint_stops_as_sigterm_does(self):
        daemon = Daemon(self.PROGRAM, *self.more())
        daemon.signal(signal.SIGINT)
        self.assertEqual(daemon.wait(), 0)

    def test_the_pid_file_holds_the_pid_and_goes_away(self):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "daemon.pid")
            with Daemon(self.PROGRAM, "--pid-file=" + path, *self.more()) as daemon:
                with open(path) as file:
                    self.assertEqual(int(file.read()), daemon.pid)
            self.assertFalse(os.path.exists(path))


class PubsubTest(Server, unittest.TestCase):
    PROGRAM = "pubsub"


class SimplequeueTest(Server, unittest.TestCase):
    PROGRAM = "simplequeue"


class PsToHttpTest(CommandLine, unittest.TestCase):
    PROGRAM = "ps_to_http"


class PsToFileTest(CommandLine, unittest.TestCase):
    PROGRAM = "ps_to_file"


class FileToHttpTest(CommandLine, unittest.TestCase):
    PROGRAM = "file_to_http"

    def test_an_unwanted_argument_is_named_and_exits_2(self):
        """Every word is a file here: one that is missing ends the start."""
        run = self.run_it(*BASE_ARGS[self.PROGRAM][:1], "no-such-file")
        self.assert_refused(run, 1, "no-such-file")


class QueuereaderTest(CommandLine, unittest.TestCase):
    PROGRAM = "queuereader"


class CollectorTest(Server, unittest.TestCase):
    PROGRAM = "collector"


class BanditTest(Server, unittest.TestCase):
    PROGRAM = "bandit"


class RivuletJournalTest(CommandLine, unittest.TestCase):
    PROGRAM = "rivulet-journal"


class RivuletGraphTest(CommandLine, unittest.TestCase):
    PROGRAM = "rivulet-graph"


class HarnessTest(unittest.TestCase):
    def test_every_program_has_its_cases(self):
        cases = {c.PROGRAM for c in (PubsubTest, SimplequeueTest, PsToHttpTest, PsToFileTest,
                                     FileToHttpTest, QueuereaderTest, CollectorTest, BanditTest,
                                     RivuletJournalTest, RivuletGraphTest)}
        self.assertEqual(cases, set(PROGRAMS))
        self.assertTrue(set(SERVERS) <= cases)


if __name__ == "__main__":
    unittest.main()
