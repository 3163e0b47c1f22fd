"""file_to_http: how it ends, and how it goes on where it was."""

import gzip
import os
import pty
import re
import signal
import subprocess
import threading
import unittest

import test_file_to_http
from harness import Daemon, program_path, run_program, wait_until
from test_file_to_http import summary, zstd_frame

# run.py runs this file against the sanitized programs too.
SANITIZED = True

class Resume(test_file_to_http.Case):
    def offset_args(self):
        return ["--offset-file=" + self.path("offsets")]

    def offset_of(self, path):
        for line in self.read("offsets").decode().splitlines()[1:]:
            offset, _, _, name = line.split(" ", 3)
            if name == path:
                return int(offset)
        return None

    def lines(self, begin, end):
        return b"".join(b"message %d\n" % i for i in range(begin, end))

    def test_kill_9_loses_nothing_and_doubles_what_was_not_noted_alone(self):
        # One file a kind, so that the kills fall into plain, gzip and zstd.
        data = [self.lines(0, 400), self.lines(400, 800), self.lines(800, 1200)]
        files = [self.write("a", data[0]), self.write("b", gzip.compress(data[1])),
                 self.write("c", zstd_frame(data[2]))]
        gate = threading.Semaphore(0)
        sink = self.sink(lambda *_: gate.acquire(timeout=20) and 200)
        args = ["--destination-post-url=" + sink.url("/put"), *self.offset_args(), *files]
        for upto in (150, 550, 950):
            feeder = Daemon("file_to_http", *args)
            self.answer_upto(upto, gate, sink)
            # What was acknowledged is noted within about a second; what comes then is not.
            wait_until(lambda: self.noted(files) >= upto - 5)
            self.answer_upto(upto + 30, gate, sink)
            feeder.kill()
            gate.release()  # for the request that nobody waits for
        gate.release(100000)
        feeder = Daemon("file_to_http", *args)
        self.assertEqual(feeder.wait(), 0)
        numbers = [int(r.body.split()[1]) for r in sink.requests]
        self.assertEqual(sorted(set(numbers)), list(range(1200)))
        # After each start the stream goes on at or before where it had been, never further.
        highest = -1
        for number in numbers:
            self.assertLessEqual(number, highest + 1)
            highest = max(highest, number)
        self.assertGreater(len(numbers), 1200)
        self.assertLess(len(numbers), 1200 + 3 * 60)
        self.assertEqual([self.offset_of(f) for f in files], [len(d) for d in data])

    def answer_upto(self, number, gate, sink):
        """Lets requests be answered until the message of that number was asked for."""
        while not any(r.body == b"message %d" % number for r in sink.requests):
            gate.release(5)
            wait_until(lambda: gate._value == 0)

    def noted(self, files):
        """Messages of which the offset file says that they are done."""
        total = 0
        for path, first in zip(files, (0, 400, 800)):
            offset = self.offset_of(path) or 0
            total += self.lines(first, first + 400)[:offset].count(b"\n")
        return total

    def test_a_second_run_sends_nothing_and_what_was_appended_is_sent(self):
        sink = self.sink()
        path = self.write("log", b"one\n\ntwo\n\n")
        args = [*self.offset_args(), path]
        self.assertEqual(self.send(sink.url("/"), *args), (2, 2, 0, 0, 2))
        self.assertEqual(self.offset_of(path), 10)
        self.assertEqual(self.send(sink.url("/"), *args), (0, 0, 0, 0, 0))
        with open(path, "ab") as file:
            file.write(b"three\n")
        self.assertEqual(self.send(sink.url("/"), *args), (1, 1, 0, 0, 0))
        self.assertEqual([r.body for r in sink.requests], [b"one", b"two", b"three"])

    def test_another_file_of_that_name_is_noticed(self):
        sink = self.sink()
        path = self.write("log", b"one\ntwo\n")
        self.send(sink.url("/"), *self.offset_args(), path)
        for data in (b"six\ntwo\nthree\n", b"one\n", b""):
            self.write("log", data)
            done = run_program("file_to_http", "--destination-post-url=" + sink.url("/"),
                               *self.offset_args(), path)
            self.assertEqual(done.returncode, 1)
            self.assertRegex(done.stderr, r"^file_to_http: [^\n]*%s[^\n]*\n$" % re.escape(path))
        self.assertEqual(len(sink.requests), 2)

    def test_an_offset_file_that_is_something_else_is_left_alone(self):
        path = self.write("log", b"one\n")
        self.write("offsets", b"precious\n")
        done = run_program("file_to_http", "--destination-post-url=http://127.0.0.1:1/",
                           *self.offset_args(), path)
        self.assertEqual(done.returncode, 1)
        self.assertIn(self.path("offsets"), done.stderr)
        self.assertEqual(self.read("offsets"), b"precious\n")

    def test_a_second_process_on_one_offset_file_exits_1_and_names_the_first(self):
        path = self.write("log", b"one\n")
        args = ["--destination-post-url=http://127.0.0.1:1/", *self.offset_args(), path]
        first = Daemon("file_to_http", *args)
        wait_until(lambda: os.path.exists(self.path("offsets")))
        done = run_program("file_to_http", *args)
        first.kill()
        self.assertEqual(done.returncode, 1)
        self.assertRegex(done.stderr, r"^file_to_http: --offset-file=[^\n]*: in use by process %d\n$" % first.pid)

    def test_filtered_lines_and_files_without_messages_are_done_too(self):
        sink = self.sink()
        files = [self.write("a", b'{"c":1}\nx\nx\n'), self.write("b", b"x\n"), self.write("c", b"\n")]
        self.send(sink.url("/"), "--filter-require=c=1", *self.offset_args(), *files)
        self.assertEqual([self.offset_of(f) for f in files], [12, 2, 1])


class Ends(test_file_to_http.Case):
    def test_sigterm_delivers_what_is_in_flight_and_says_that_there_is_more(self):
        may_answer = threading.Event()
        sink = self.sink(lambda *_: may_answer.wait(20) and 200)
        self.write("lines", b"one\n")
        feeder = Daemon("file_to_http", "--destination-post-url=" + sink.url("/"), "--rate=0.001",
                        self.write("lines", b"one\ntwo\n"))
        wait_until(lambda: sink.requests)
        feeder.signal(signal.SIGTERM)
        may_answer.set()
        self.assertEqual(feeder.wait(), 1)
        self.assertEqual(summary(feeder.stderr())[:2], (1, 1))

    def test_a_second_signal_ends_it_at_once(self):
        feeder = Daemon("file_to_http", "--destination-post-url=http://127.0.0.1:1/",
                        "--drain-timeout=60s", self.write("lines", b"one\n"))
        feeder.wait_for_log("127.0.0.1:1")
        feeder.signal(signal.SIGINT)
        feeder.signal(signal.SIGTERM)
        self.assertEqual(feeder.wait(timeout=20), 1)
        self.assertIn("1 pending", feeder.stderr())

    def test_a_loop_starts_over_until_it_is_stopped(self):
        sink = self.sink()
        feeder = Daemon("file_to_http", "--destination-post-url=" + sink.url("/"), "--loop",
                        self.write("a", b"one\n"), self.write("b", b"two\n"))
        wait_until(lambda: len(sink.requests) >= 5)
        feeder.stop(expected=0)
        bodies = [r.body for r in sink.requests]
        self.assertEqual(bodies, ([b"one", b"two"] * len(bodies))[:len(bodies)])

    def test_a_loop_ends_with_a_file_that_went_away(self):
        sink = self.sink()
        path = self.write("b", b"two\n")
        feeder = Daemon("file_to_http", "--destination-post-url=" + sink.url("/"), "--loop",
                        "--rate=200", self.write("a", b"one\n"), path)
        wait_until(lambda: len(sink.requests) >= 2)
        os.remove(path)
        self.assertEqual(feeder.wait(), 1)
        self.assertIn(path, feeder.stderr())

    def test_a_loop_over_nothing_ends(self):
        self.assertEqual(self.send("http://127.0.0.1:1/", "--loop", self.write("a", b"\n"))[0], 0)

    def test_a_terminal_sees_one_line_that_is_written_over(self):
        master, slave = pty.openpty()
        gate = threading.Event()
        sink = self.sink(lambda *_: gate.wait(20) and 200)
        feeder = subprocess.Popen(
            [program_path("file_to_http"), "--destination-post-url=" + sink.url("/"),
             self.write("lines", b"one\ntwo\n")], stderr=slave, stdin=subprocess.DEVNULL)
        os.close(slave)
        seen = b""
        try:
            while b"0 messages" not in seen:
                seen += os.read(master, 4096)
            gate.set()
            while b"\n" not in seen:
                seen += os.read(master, 4096)
            self.assertEqual(feeder.wait(20), 0)
        finally:
            feeder.kill()
            feeder.wait()
            os.close(master)
        self.assertRegex(seen, rb"\r\x1b\[K\[[#.]{20}\] +\d+%  0 messages")
        self.assertRegex(seen, rb"\r\x1b\[Kfile_to_http: 2 read, 2 delivered[^\n]*\n$")


if __name__ == "__main__":
    unittest.main()
