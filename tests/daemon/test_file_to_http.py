"""file_to_http: what files hold arrives as it is and in order, at the pace that was asked for."""

import gzip
import json
import os
import re
import struct
import subprocess
import tempfile
import time
import unittest

from harness import Daemon, Sink, get, program_path, run_program, wait_until

# run.py runs this file against the sanitized programs too.
SANITIZED = True

SUMMARY = r"(?m)^file_to_http: (\d+) read, (\d+) delivered, (\d+) refused, (\d+) filtered, (\d+) empty"


def summary(text):
    """(read, delivered, refused, filtered, empty) of the last line."""
    return tuple(int(n) for n in re.search(SUMMARY, text).groups())


def zstd_frame(data):
    """RFC 8878 by hand: a window of 128 KiB, raw blocks, no checksum."""
    blocks = [data[i:i + 100000] for i in range(0, len(data), 100000)] or [b""]
    frame = b"\x28\xb5\x2f\xfd\x00\x38"
    for i, block in enumerate(blocks):
        last = i == len(blocks) - 1
        frame += struct.pack("<I", len(block) << 3 | last)[:3] + block
    return frame


class Case(unittest.TestCase):
    def setUp(self):
        program_path("file_to_http")
        self.folder = self.enterContext(tempfile.TemporaryDirectory())

    def path(self, name):
        return os.path.join(self.folder, name)

    def write(self, name, data):
        with open(self.path(name), "wb") as file:
            file.write(data)
        return self.path(name)

    def read(self, name):
        with open(self.path(name), "rb") as file:
            return file.read()

    def queue(self, *args):
        program_path("simplequeue")
        return self.enterContext(Daemon("simplequeue", *args))

    def sink(self, answer=None):
        return self.enterContext(Sink(answer))

    def send(self, url, *args, status=0, input=None):
        """Runs it to its end; (read, delivered, refused, filtered, empty)."""
        done = run_program("file_to_http", "--destination-post-url=" + url, *args, input=input)
        self.assertEqual(done.returncode, status, done.stderr)
        self.stderr = done.stderr
        return summary(done.stderr)


class Input(Case):
    LINES = b"one\n\ntwo\r\nth\0ree\n" + b"\xff\xfe\n" + b"".join(b"%d\n" % i for i in range(3000)) + b"last"
    # As simplequeue gives it back: no empty line, and an end for the last.
    MESSAGES = LINES.replace(b"\n\n", b"\n") + b"\n"

    def check(self, *names, messages=MESSAGES, batch=100):
        queue = self.queue()
        counts = self.send(queue.url("/mput"), "--batch=%d" % batch, *map(self.path, names))
        self.assertEqual(get(queue.url("/dump")).body, messages)
        self.assertEqual(counts[:4], (messages.count(b"\n"), messages.count(b"\n"), 0, 0))
        return counts

    def test_every_line_of_a_file_arrives_in_order_byte_for_byte(self):
        self.write("lines.txt", self.LINES)
        self.assertEqual(self.check("lines.txt")[4], 1)

    def test_one_message_a_request_keeps_the_order_too(self):
        self.write("lines.txt", b"a\nb\nc\n" * 30)
        self.check("lines.txt", messages=b"a\nb\nc\n" * 30, batch=1)

    def test_gzip_and_zstd_are_told_by_their_bytes_not_by_their_names(self):
        half = len(self.LINES) // 2
        first, second = self.LINES[:half], self.LINES[half:]
        for name, data in (("a.txt", gzip.compress(first) + gzip.compress(second)),
                           ("b", zstd_frame(first) + zstd_frame(second)),
                           ("plain.gz", self.LINES)):
            with self.subTest(name=name):
                self.write(name, data)
                self.check(name)

    def test_files_follow_one_another_and_a_last_line_needs_no_newline(self):
        self.write("a", b"1\n2")
        self.write("b", gzip.compress(b"3\n"))
        self.write("c", b"")
        self.write("d", zstd_frame(b"4\n5"))
        self.check("a", "b", "c", "d", messages=b"1\n2\n3\n4\n5\n")

    def test_a_line_of_8_mib_arrives(self):
        self.write("big", b"small\n" + b"x" * (8 << 20) + b"\nend\n")
        self.check("big", messages=b"small\n" + b"x" * (8 << 20) + b"\nend\n")

    def test_standard_input_may_be_compressed(self):
        queue = self.queue()
        for args in ((), ("-",)):
            done = subprocess.run(
                [program_path("file_to_http"), "--destination-post-url=" + queue.url("/put"), *args],
                input=gzip.compress(b"a\nb\n"), capture_output=True, timeout=60)
            self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(get(queue.url("/dump")).body, b"a\nb\na\nb\n")

    def test_what_comes_slowly_is_sent_when_it_comes(self):
        queue = self.queue()
        feeder = Daemon("file_to_http", "--destination-post-url=" + queue.url("/mput"),
                        "--batch=100", stdin=subprocess.PIPE)
        for i, text in enumerate((b"one\ntw", b"o\n")):
            feeder.process.stdin.write(text)
            feeder.process.stdin.flush()
            wait_until(lambda: queue.stats()["depth"] == i + 1)
        feeder.process.stdin.close()
        self.assertEqual(feeder.wait(), 0)
        self.assertEqual(get(queue.url("/dump")).body, b"one\ntwo\n")

    def test_a_pubsub_takes_lines_too(self):
        program_path("pubsub")
        lines = b"".join(b"%d\n" % i for i in range(500))
        self.write("lines", lines)
        pubsub = self.enterContext(Daemon("pubsub", "--retain-bytes=1MiB"))
        self.assertEqual(self.send(pubsub.url("/pub"), "--batch=64", self.path("lines")),
                         (500, 500, 0, 0, 0))
        past = get(pubsub.url("/sub?since=0&until=now&multipart=0")).body
        self.assertEqual(past.lstrip(b"\r\n"), lines)

    def test_filters_choose_messages(self):
        sink = self.sink()
        self.write("lines", b'{"c":"US"}\n{"c":"DE"}\nno json\n{"c":"US","bot":true}\n')
        self.assertEqual(self.send(sink.url("/"), "--filter-require=c=US",
                                   "--filter-exclude=bot=true", self.path("lines")),
                         (4, 1, 0, 3, 0))
        self.assertEqual([r.body for r in sink.requests], [b'{"c":"US"}'])

    def test_a_dry_run_prints_and_sends_nothing(self):
        sink = self.sink()
        self.write("lines", b"one\ntwo\n")
        done = run_program("file_to_http", "--destination-post-url=" + sink.url("/put"), "--dry-run",
                           "--offset-file=" + self.path("offsets"), self.path("lines"))
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(done.stdout.count("POST " + sink.url("/put")), 2)
        self.assertEqual(sink.requests, [])
        # Nothing was taken: the next run begins at the beginning.
        self.assertEqual(self.send(sink.url("/put"), "--offset-file=" + self.path("offsets"),
                                   self.path("lines"))[:2], (2, 2))


class Refusals(Case):
    def test_what_is_refused_goes_to_the_dead_letters_and_the_exit_status_says_so(self):
        sink = self.sink(lambda method, target, body: 400 if b"bad" in body else 200)
        self.write("lines", b"one\nbad\ntwo\n")
        counts = self.send(sink.url("/mput"), "--batch=10", "--dead-letter=" + self.path("dead"),
                           self.path("lines"), status=1)
        self.assertEqual(counts, (3, 2, 1, 0, 0))
        dead = [json.loads(line) for line in self.read("dead").splitlines()]
        self.assertEqual([d["message"] for d in dead], ["bad"])

    def test_with_retry_max_it_gives_up(self):
        self.write("lines", b"one\n")
        counts = self.send("http://127.0.0.1:1/put", "--retry-max=2", "--max-backoff=1ms",
                           self.path("lines"), status=1)
        self.assertEqual(counts, (1, 0, 1, 0, 0))

    def test_a_destination_that_is_not_there_yet_is_waited_for(self):
        sink = self.sink()
        port = sink.port
        sink.close()
        self.write("lines", b"one\ntwo\n")
        feeder = Daemon("file_to_http", "--destination-post-url=http://127.0.0.1:%d/put" % port,
                        "--max-backoff=50ms", self.path("lines"))
        feeder.wait_for_log("127.0.0.1:%d" % port)
        sink = self.enterContext(Sink(port=port))
        self.assertEqual(feeder.wait(), 0)
        self.assertEqual([r.body for r in sink.requests], [b"one", b"two"])

    def test_a_line_that_is_too_long_is_refused_and_told(self):
        sink = self.sink()
        path = self.write("lines", b"one\n" + b"x" * 1025 + b"\n" + b"y" * 1024 + b"\n")
        counts = self.send(sink.url("/put"), "--max-message-bytes=1KiB", path, status=1)
        self.assertEqual(counts, (3, 2, 1, 0, 0))
        self.assertRegex(self.stderr, re.escape(path) + r".*\b1025 bytes.*\b1030\b.*--max-message-bytes")
        self.assertEqual([len(r.body) for r in sink.requests], [3, 1024])

    def test_a_damaged_file_is_named_and_the_others_are_read(self):
        sink = self.sink()
        whole = gzip.compress(b"".join(b"line %d\n" % (i * i) for i in range(20000)))
        changed = bytearray(whole)
        changed[len(whole) // 2] ^= 0xFF
        for name, data in (("cut.gz", whole[:-5000]), ("changed.gz", bytes(changed))):
            with self.subTest(name=name):
                del sink.requests[:]
                path = self.write(name, data)
                after = self.write("after", b"after\n")
                counts = self.send(sink.url("/mput"), "--batch=1000", path, after, status=1)
                self.assertRegex(self.stderr, re.escape(path) + r".*\bat byte \d+")
                self.assertEqual(counts[0], counts[1])
                sent = b"".join(r.body if r.body.endswith(b"\n") else r.body + b"\n"
                                for r in sink.requests)
                self.assertTrue(sent.endswith(b"after\n"))
                if name == "cut.gz":  # and not one line that the cut left unfinished
                    lines = sent.splitlines()[:-1]
                    self.assertGreater(len(lines), 1000)
                    self.assertEqual(lines, [b"line %d" % (i * i) for i in range(len(lines))])

    def test_wrong_options_exit_2_and_are_named(self):
        url = "--destination-post-url=http://127.0.0.1:1/put"
        for args, named in (((), "--destination"),
                            ((url, "--rate=-1"), "--rate"), ((url, "--rate=fast"), "--rate"),
                            ((url, "--max-queue-depth=0"), "--max-queue-depth"),
                            ((url, "--depth-url=http://h/"), "--max-queue-depth"),
                            ((url, "--depth-url=h", "--max-queue-depth=1"), "--depth-url"),
                            ((url, "--loop"), "--loop"), ((url, "--loop", "-"), "--loop"),
                            ((url, "--offset-file=x"), "--offset-file"),
                            ((url, "--offset-file=x", "a", "a"), "a must be given once"),
                            ((url, "--offset-file=x", "--loop", "a"), "--loop"),
                            ((url, "--filter-require=x"), "--filter-require")):
            with self.subTest(args=args):
                done = run_program("file_to_http", *args)
                self.assertEqual(done.returncode, 2, done.stderr)
                self.assertRegex(done.stderr, r"^file_to_http: [^\n]*%s[^\n]*\n$" % re.escape(named))

    def test_a_file_that_is_not_there_is_named_before_anything_is_sent(self):
        sink = self.sink()
        there = self.write("there", b"one\n")
        for wrong in ("/nonexistent/file", self.folder):
            done = run_program("file_to_http", "--destination-post-url=" + sink.url("/"), there, wrong)
            self.assertEqual(done.returncode, 1)
            self.assertRegex(done.stderr, r"^file_to_http: [^\n]*%s[^\n]*\n$" % re.escape(wrong))
        self.assertEqual(sink.requests, [])


class Pace(Case):
    def test_the_queue_is_never_deeper_than_asked_for(self):
        queue = self.queue()
        lines = b"".join(b"%d\n" % i for i in range(600))
        self.write("lines", lines)
        feeder = Daemon("file_to_http", "--destination-post-url=" + queue.url("/mput?queue=q"),
                        "--batch=7", "--max-queue-depth=50", self.path("lines"))
        stats = queue.url("/stats?format=json&queue=q")
        taken = b""
        feeder.wait_for_log("waiting for the queue")
        while feeder.running():
            # It fills the queue to the brim, and waits there.
            left = 600 - taken.count(b"\n")
            wait_until(lambda: get(stats).json()["depth"] == min(50, left))
            taken += get(queue.url("/mget?queue=q&items=40")).body
            if not taken.endswith(b"\n"):  # after all 40 there is no newline
                taken += b"\n" if taken else b""
            if left <= 40:
                break
        self.assertEqual(feeder.wait(), 0)
        self.assertEqual(taken, lines)
        self.assertEqual(get(stats).json()["depth_high_water"], 50)

    def test_a_depth_that_is_not_told_is_asked_for_again(self):
        answers = iter([(503, b""), (200, b"no json"), (200, b'{"depth":2}')])
        def answer(method, target, body):
            if not target.startswith("/d"):
                return 200
            return next(answers, (200, b'{"depth":0}'))
        sink = self.sink(answer)
        self.write("lines", b"1\n2\n3\n")
        self.send(sink.url("/put"), "--max-queue-depth=2", "--depth-url=" + sink.url("/d"),
                  "--header=X-A: b", self.path("lines"))
        self.assertEqual([r.body for r in sink.requests if r.method == "POST"], [b"1", b"2", b"3"])
        asked = [i for i, r in enumerate(sink.requests) if r.target == "/d"]
        # Nothing was sent before the queue had room.
        self.assertEqual(asked[:4], [0, 1, 2, 3])
        self.assertEqual(sink.requests[0].headers["X-A"], "b")

    def test_a_rate_is_kept(self):
        sink = self.sink()
        self.write("lines", b"".join(b"%d\n" % i for i in range(200)))
        begin = time.monotonic()
        self.send(sink.url("/mput"), "--batch=100", "--rate=400", self.path("lines"))
        # A busy machine may take longer; less would be too fast: the last of 200 is due after
        # 199/400 s, and a tenth of a second may be made up for.
        self.assertGreaterEqual(time.monotonic() - begin, 199 / 400 - 0.1)
        self.assertGreater(len(sink.requests), 10)

    def test_the_end_waits_for_neither_rate_nor_queue(self):
        queue = self.queue()
        self.write("one", b"one\n")
        self.write("ten", b"".join(b"%d\n" % i for i in range(10)))
        url = queue.url("/put")
        begin = time.monotonic()
        self.send(url, "--rate=0.01", self.path("one"))
        self.send(url, "--max-queue-depth=11", self.path("ten"))  # full now, and nobody takes
        self.assertLess(time.monotonic() - begin, 50)  # the next message would be due after 100 s
        self.assertEqual(queue.stats()["depth"], 11)

    def test_nobody_need_be_able_to_read_what_it_says(self):
        queue = self.queue()
        path = self.write("lines", b"one\ntwo\n")
        with open("/dev/full", "wb") as full:
            for more in ([], ["--dry-run"], ["--stats-interval=1ms", "--rate=100"]):
                done = subprocess.run([program_path("file_to_http"), path, *more,
                                       "--destination-post-url=" + queue.url("/put")],
                                      stdout=full, stderr=full, timeout=60)
                self.assertEqual(done.returncode, 0)
        self.assertEqual(queue.stats()["depth"], 4)

    def test_progress_is_told_as_often_as_asked_for(self):
        self.write("lines", b"one\n")
        feeder = Daemon("file_to_http", "--destination-post-url=http://127.0.0.1:1/put",
                        "--stats-interval=20ms", self.path("lines"))
        line = wait_until(lambda: re.search(
            r"(?m)^file_to_http: 1 read, 0 delivered, .* 1 pending .*127.0.0.1:1.*$", feeder.stderr()))
        self.assertIn("fails", line.group())
        feeder.kill()


if __name__ == "__main__":
    unittest.main()
